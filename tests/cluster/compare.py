#!/usr/bin/env python3
"""Compare what the operator wrote with what Flagger wrote, case by case.

    compare.py DIR AUDIT PHASES WORLD

DIR is a recorded folder (writes.jsonl.gz, world.jsonl.gz, 2-canaries.yaml), AUDIT the API server's log
at level RequestResponse, PHASES the times at which the phases began, WORLD the calls of hooks and queries.
What may differ: PUT or PATCH where the object afterwards is equal, writes that change nothing, retries after
409, how many ticks see pods not yet ready, counts and combining of events, the order among config copies,
cookie values, the values of spec hashes (not when they change).
"""
import copy
import gzip
import json
import re
import sys


def prune(v):
    """Without what is empty: Go's zero values and what the server fills in."""
    if isinstance(v, dict):
        out = {k: prune(x) for k, x in v.items()}
        return {k: x for k, x in out.items() if x not in (None, '', {}, [])}
    if isinstance(v, list):
        return [prune(x) for x in v]
    return v


SERVER = ('uid', 'resourceVersion', 'generation', 'creationTimestamp', 'managedFields', 'selfLink', 'deletionTimestamp',
          'deletionGracePeriodSeconds')


def clean(kind, obj, status):
    obj = copy.deepcopy(obj)
    obj.pop('apiVersion', None)
    obj.pop('kind', None)
    meta = obj.get('metadata') or {}
    for k in SERVER:
        meta.pop(k, None)
    for o in meta.get('ownerReferences') or []:
        o.pop('uid', None)
    ann = meta.get('annotations') or {}
    ann.pop('kubectl.kubernetes.io/last-applied-configuration', None)
    if status:
        return {'status': clean_status(obj.get('status') or {})}
    obj.pop('status', None)
    tmpl = ((obj.get('spec') or {}).get('template') or {}) if isinstance(obj.get('spec'), dict) else {}
    tann = (tmpl.get('metadata') or {}).get('annotations') or {}
    if 'flagger-id' in tann:
        tann['flagger-id'] = 'ID'
    if isinstance(tmpl.get('metadata'), dict):
        tmpl['metadata'].pop('creationTimestamp', None)
    if kind == 'services' and isinstance(obj.get('spec'), dict):
        for k in ('clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'):
            obj['spec'].pop(k, None)
    return prune(obj)


COOKIE = re.compile(r'([\w-]*cookie[\w-]*=)[A-Za-z0-9]+')


def clean_status(s):
    s = copy.deepcopy(s)
    s.pop('lastTransitionTime', None)
    for c in s.get('conditions') or []:
        c.pop('lastTransitionTime', None)
        c.pop('lastUpdateTime', None)
    for k in list(s):
        if k.endswith('Cookie'):
            s[k] = s[k].split('=')[0] + '='
    return s


def mask(v, cookies=True):
    """Cookie values inside routing objects."""
    if isinstance(v, dict):
        return {k: mask(x) for k, x in v.items()}
    if isinstance(v, list):
        return [mask(x) for x in v]
    if isinstance(v, str):
        return re.sub(r'(flagger-cookie(?:=|\.\*)|(?<![\w])=)[A-Za-z]{10}\b', r'\1VALUE', v)
    return v


def merge(target, patch):
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for k, v in patch.items():
        if v is None:
            out.pop(k, None)
        else:
            out[k] = merge(out.get(k), v)
    return out


def first_difference(want, got, path=''):
    if isinstance(want, dict) and isinstance(got, dict):
        for k in sorted(set(want) | set(got)):
            if k not in want:
                return f'{path}.{k}: unexpected {json.dumps(got[k])[:120]}'
            if k not in got:
                return f'{path}.{k}: missing {json.dumps(want[k])[:120]}'
            d = first_difference(want[k], got[k], f'{path}.{k}')
            if d:
                return d
        return None
    if isinstance(want, list) and isinstance(got, list) and len(want) == len(got):
        for i, (a, b) in enumerate(zip(want, got)):
            d = first_difference(a, b, f'{path}[{i}]')
            if d:
                return d
        return None
    return None if want == got else f'{path}: want {json.dumps(want)[:120]}, got {json.dumps(got)[:120]}'


class Hashes:
    """Spec hashes by the order in which they first appear."""

    def __init__(self):
        self.names = {}

    def mask(self, s):
        for k in ('lastAppliedSpec', 'lastPromotedSpec'):
            if s.get(k):
                s[k] = self.names.setdefault(s[k], f'hash{len(self.names) + 1}')
        return s


class Case:
    def __init__(self):
        self.changes = {}   # phase -> [(resource, name, subresource, after, partial)]
        self.events = {}    # phase -> [message]
        self.state = {}
        self.live = {}      # targets as they are, whoever wrote them
        self.snapshots = {} # phase -> the targets at each change
        self.hashes = Hashes()

    def write(self, phase, w):
        if w['code'] >= 400:
            return
        body, resource = w['body'] or {}, w['resource']
        if resource == 'events':
            m = body.get('message')
            if m and not ignored_event(m):
                lst = self.events.setdefault(phase, [])
                m = m.removeprefix('(combined from similar events): ')
                if m not in lst:
                    lst.append(m)
            return
        status = w.get('subresource') == 'status'
        key = (resource, w['name'], 'status' if status else '')
        full = w.get('after')
        if w['verb'] == 'patch' and full is None:
            after, partial = merge(self.state.get(key, ({}, True))[0], clean(resource, body, False)), key not in self.state \
                or self.state[key][1]
        else:
            after, partial = clean(resource, full if full is not None else body, status), False
        if status:
            self.hashes.mask(after['status'])
        after = mask(after)
        before = self.state.get(key)
        self.state[key] = (after, partial)
        if before and before[0] == after:
            return
        self.changes.setdefault(phase, []).append((key, after, partial))
        self.snapshots.setdefault(phase, []).append(dict(self.live))

    def others(self, w):
        """A write of somebody else, or our own, to a target."""
        if w['after'] is not None and w['code'] < 400:
            self.live[(w['resource'], w['name'], '')] = clean(w['resource'], w['after'], False)


def ignored_event(m):
    return 'not ready' in m or m == 'all the metrics providers are available!' or 'get query error' in m


def sort_copies(changes):
    out, run = [], []
    for c in changes:
        if c[0][0] in ('configmaps', 'secrets'):
            run.append(c)
            continue
        out += sorted(run, key=lambda x: x[0]) + [c]
        run = []
    return out + sorted(run, key=lambda x: x[0])


def contained(want, got):
    """Is everything of `want` in `got`?"""
    if isinstance(want, dict):
        if not isinstance(got, dict):
            return False
        return all(contained(v, got.get(k)) for k, v in want.items())
    if isinstance(want, list):
        return isinstance(got, list) and len(want) == len(got) and all(contained(a, b) for a, b in zip(want, got))
    return want == got


def case_of(name, cases):
    best = ''
    for c in cases:
        if (name == c or name.startswith(c + '-')) and len(c) > len(best):
            best = c
    return best


def read_recorded(folder):
    cases = {}
    for line in gzip.open(folder + '/writes.jsonl.gz', 'rt'):
        w = json.loads(line)
        cases.setdefault(w['case'], Case()).write(w['phase'], w)
    return cases


def read_audit(path, phases_path, names):
    phases = [line.split() for line in open(phases_path)]
    cases = {n: Case() for n in names}
    rows = []
    for line in open(path):
        try:
            e = json.loads(line)
        except ValueError:
            continue
        ref = e.get('objectRef') or {}
        if e.get('stage') != 'ResponseComplete' or e.get('verb') not in ('create', 'update', 'patch', 'delete') or \
                ref.get('namespace') != 'rec':
            continue
        if e.get('userAgent', '').startswith('flagger') or ref['resource'] in ('deployments', 'daemonsets'):
            rows.append(e)
    rows.sort(key=lambda e: e['stageTimestamp'])
    for e in rows:
        ref = e['objectRef']
        body, after = e.get('requestObject'), None
        if ref['resource'] == 'events':
            involved = ((e.get('responseObject') or {}).get('involvedObject') or {}).get('name', '')
            case, body = involved, e.get('responseObject')
        else:
            case = case_of(ref.get('name') or ((body or {}).get('metadata') or {}).get('name', ''), names)
            if e['verb'] == 'patch':
                after = e.get('responseObject')
        name = ref.get('name') or ((body or {}).get('metadata') or {}).get('name', '')
        phase = ''
        for at, p in phases:
            if e['requestReceivedTimestamp'] >= at:
                phase = p
        if case in cases and ref['resource'] in ('deployments', 'daemonsets') and not ref.get('subresource'):
            cases[case].others({'resource': ref['resource'], 'name': name, 'code': e['responseStatus']['code'],
                                'after': e.get('responseObject')})
            if not e.get('userAgent', '').startswith('flagger'):
                continue
        elif not e.get('userAgent', '').startswith('flagger'):
            continue
        if case in cases:
            cases[case].write(phase, {'verb': e['verb'], 'resource': ref['resource'], 'name': name,
                                      'subresource': ref.get('subresource'), 'code': e['responseStatus']['code'],
                                      'body': body, 'after': after})
    return cases


def is_target(key, name):
    return key[0] in ('deployments', 'daemonsets') and key[1] == name


def drop_needless(name, want, got, snapshots, last):
    """Without the recorded writes to the target that would have changed nothing in this run."""
    out, at = [], 0
    for w in want:
        if at < len(got) and got[at][0] == w[0]:
            out.append(w)
            at += 1
            continue
        live = snapshots[at] if at < len(snapshots) else last
        if is_target(w[0], name) and contained(w[1], live.get(w[0], {})):
            continue
        out.append(w)
        at += 1
    return out


def strip_generation(obj):
    obj = copy.deepcopy(obj)
    ann = (obj.get('metadata') or {}).get('annotations') or {}
    ann.pop('deprecated.daemonset.template.generation', None)
    return prune(obj)


def finalizers(obj):
    return (obj.get('metadata') or {}).get('finalizers')


def compare_one(name, want, got):
    (key, wobj, partial), (_, gobj, _) = want, got
    if key[0] == 'canaries' and not key[2]:
        return first_difference(finalizers(wobj), finalizers(gobj))
    if is_target(key, name):
        wobj, gobj = strip_generation(wobj), strip_generation(gobj)
        return None if contained(wobj, gobj) else first_difference(wobj, gobj)
    return first_difference(wobj, gobj)


def compare_changes(name, phase, want, mine):
    snapshots, got = mine.snapshots.get(phase, []), sort_copies(mine.changes.get(phase, []))
    want = drop_needless(name, sort_copies(want), got, snapshots, mine.live)
    for i in range(max(len(want), len(got))):
        if i >= len(want):
            return [f'{phase}: one more change: {"/".join(got[i][0])} {json.dumps(got[i][1])[:160]}']
        if i >= len(got):
            return [f'{phase}: missing: {"/".join(want[i][0])} {json.dumps(want[i][1])[:160]}']
        if want[i][0] != got[i][0]:
            return [f'{phase}: change {i + 1}: want {"/".join(want[i][0])}, got {"/".join(got[i][0])}']
        d = compare_one(name, want[i], got[i])
        if d:
            return [f'{phase}: change {i + 1} {"/".join(want[i][0])}: {d}']
    return []


def compare_events(phase, want, got):
    if want == got:
        return []
    for i in range(max(len(want), len(got))):
        w = want[i] if i < len(want) else None
        g = got[i] if i < len(got) else None
        if w != g:
            return [f'{phase}: event {i + 1}: want {w!r}, got {g!r}']
    return []


def read_world(opener, names):
    out = {}
    for line in opener:
        w = json.loads(line)
        hook = w.get('webhook', w.get('hook'))
        if hook is not None:
            hook = dict(hook)
            hook.pop('checksum', None)
            out.setdefault(hook.get('name', ''), []).append(json.dumps(hook, sort_keys=True))
        elif 'query' in w:
            q = w['query'].split('?query=', 1)[-1]
            hits = [n for n in names if re.search(re.escape(n) + r'(?![a-z0-9]|-(?!primary|canary))', q)]
            best = max(hits, key=len) if hits else ''
            out.setdefault(best, []).append(re.sub(r'\s+', ' ', q).strip())
    return out


def main():
    folder, audit, phases, world = sys.argv[1:5]
    recorded = read_recorded(folder)
    names = sorted(recorded)
    mine = read_audit(audit, phases, names)
    want_world = read_world(gzip.open(folder + '/world.jsonl.gz', 'rt'), names)
    got_world = read_world(open(world), names)
    passed = failed = 0
    for name in names:
        problems = []
        for phase in ('install', 'release', 'config', 'delete'):
            problems += compare_changes(name, phase, recorded[name].changes.get(phase, []), mine[name])
            if (name, phase) != ('gw-mirror', 'config'):  # it never ends, and says the same all the time
                problems += compare_events(phase, recorded[name].events.get(phase, []), mine[name].events.get(phase, []))
        a, b = want_world.get(name, []), got_world.get(name, [])
        if name != 'gw-mirror' and a != b:
            at = next((i for i in range(max(len(a), len(b))) if a[i:i + 1] != b[i:i + 1]), 0)
            problems.append(f'call {at + 1} of {len(a)}: want {a[at:at + 1]}, got {b[at:at + 1]} ({len(b)} in all)')
        if problems:
            failed += 1
            print('FAILED  ' + name)
            for p in problems:
                print('        ' + p[:400])
        else:
            passed += 1
            print('ok      ' + name)
    print(f'{passed} passed, {failed} failed, 0 skipped')
    return 1 if failed else 0


sys.exit(main())

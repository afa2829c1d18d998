# Compare what the operator wrote with what was recorded, case by case.
#   jq -rn --slurpfile want writes.jsonl --slurpfile got writes.jsonl --slurpfile want_world w.jsonl --slurpfile got_world w.jsonl
#      --slurpfile applied w.jsonl --argjson skip '["CASE"]' -f compare.jq
# Both sides have the form of tests/conformance/README.md, "Releases in a real cluster"; ours carries in `after` the answered object
# too. Each line of the output is an object: {case, result: "passed" | "failed" | "skipped", differences: [TEXT]}.

def is_empty: . == null or . == "" or . == {} or . == [];
# Without nulls and what is empty: Go's zero values.
def prune:
  if type == "object" then with_entries(.value |= prune) | with_entries(select(.value | is_empty | not))
  elif type == "array" then map(prune)
  else . end;

def server_fields: ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "deletionTimestamp",
  "deletionGracePeriodSeconds"];
def allocated: ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"];

# Cookie values are random.
def mask_cookies:
  walk(if type == "string" then gsub("(?<n>cookie[a-z-]*=|cookie\\.\\*|^=)[A-Za-z]{10}"; "\(.n)VALUE") else . end);

# What of an object counts: not what the server or a controller fills in, and of a Canary only its finalizers and its status.
def counted($w):
  if $w.subresource == "status" then
    {status: ((.status // {}) | del(.lastTransitionTime, .conditions[]?.lastTransitionTime, .conditions[]?.lastUpdateTime))}
  elif $w.resource == "canaries" then {finalizers: (.metadata.finalizers // ["none"])}
  else
    del(.apiVersion, .kind, .status, .metadata[server_fields[]], .metadata.ownerReferences[]?.uid,
      .metadata.annotations["kubectl.kubernetes.io/last-applied-configuration"],
      .metadata.annotations["deployment.kubernetes.io/revision"],
      .metadata.annotations["deprecated.daemonset.template.generation"])
    | if .spec.template.metadata? then del(.spec.template.metadata.creationTimestamp) else . end
    | if .spec.template.metadata.annotations["flagger-id"]? then .spec.template.metadata.annotations["flagger-id"] = "ID" else . end
    | if $w.resource == "services" then del(.spec[allocated[]]) else . end
  end
  | mask_cookies | if $w.subresource == "status" then . else prune end;

# RFC 7396
def merge($patch):
  if ($patch | type) != "object" then $patch
  else reduce ($patch | to_entries[]) as $e (if type == "object" then . else {} end;
    if $e.value == null then del(.[$e.key]) else .[$e.key] |= merge($e.value) end) end;

# Spec hashes by the order in which they appear.
def name_hashes:
  reduce ("lastAppliedSpec", "lastPromotedSpec") as $field (.;
    .now.status[$field] as $h
    | if ($h // "") == "" then .
      else (if .hashes[$h] then . else .hashes[$h] = "revision \((.hashes | length) + 1)" end)
        | .hashes[$h] as $name | .now.status[$field] = $name end);

# The workloads that a phase applies: {KEY: OBJECT}.
def workloads($phase):
  [$applied[] | select(.phase == $phase) | .object
    | {("\(.kind | ascii_downcase)s \(.metadata.name)"): counted({resource: "", subresource: null})}] | add // {};

# One case's writes to its changes: [{phase, key, now, partial, full}], without those that change nothing and those that were
# refused. Of an object that was only patched so far, `now` is partial: what is known of it; `full` is the answer, where there is one.
def changes($files):
  reduce (.[] | select(.resource != "events" and .code < 400)) as $w ({objects: {}, hashes: {}, list: [], begun: 0};
    ($files | map(.phase == $w.phase) | index(true) // length) as $at
    | reduce $files[.begun:$at + 1][].objects as $f (.; reduce ($f | keys[]) as $k (.; .objects[$k] = ((.objects[$k] // {}) | merge($f[$k])) | .partial[$k] = true))
    | .begun = ([.begun, $at + 1] | max)
    |     "\($w.verb | if . == "delete" then "delete " else "" end)\($w.resource)\(if $w.subresource then "/" + $w.subresource else "" end) \($w.name)"
      as $key
    | .objects[$key] as $before
    | ($w.verb == "patch" and ($w.subresource // "") == "") as $patch
    | .now = (if $w.verb == "delete" then {}
              elif $patch and $w.resource != "canaries" then ($before // {}) | merge($w.body) | counted($w)
              elif $w.verb == "patch" then ($w.after // $w.body) | counted($w)
              else $w.body | counted($w) end)
    | (if $w.subresource == "status" then name_hashes else . end)
    | .now as $now
    | .partial[$key] = ((.partial[$key] // true) and $patch)
    | .objects[$key] = $now
    | if $before == $now and $w.verb != "delete" then .
      else .list += [{phase: $w.phase, key: $key, now: $now, partial: .partial[$key], full: (($w.after // $w.body) | counted($w))}] end)
  | .list;

# The order among the copies of configs is free.
def sort_copies:
  reduce .[] as $c ([]; if ($c.key | test("^(configmaps|secrets) ")) and (last // [] | type == "array" and length > 0)
    then .[:-1] + [last + [$c]]
    elif ($c.key | test("^(configmaps|secrets) ")) then . + [[$c]] else . + [$c] end)
  | map(if type == "array" then sort_by(.key)[] else . end);

# Messages in order. How many ticks wait for pods is free, and so are counts: equal ones in a row are one. Flagger sends 25 Events
# of an object and then one in five minutes: which, is a matter of time.
def events_max: 25;
def events:
  reduce ([.[] | select(.resource == "events" and .code < 400) | .body.message // empty][:events_max][]
    | ltrimstr("(combined from similar events): ") | select(contains(" not ready: ") | not)) as $m ([];
    if last == $m then . else . + [$m] end);

def short: tojson | if length > 300 then .[:300] + "…" else . end;
# The places where two values differ, at most three, as text.
def differences($want; $got):
  def places($w; $g; $path):
    if ($w | type) == "object" and ($g | type) == "object" then
      ((($w | keys) + ($g | keys)) | unique[]) as $k | places($w[$k]; $g[$k]; "\($path).\($k)")
    elif ($w | type) == "array" and ($g | type) == "array" and ($w | length) == ($g | length) then
      range($w | length) as $i | places($w[$i]; $g[$i]; "\($path)[\($i)]")
    elif $w != $g then "\($path): recorded \($w | short), here \($g | short)"
    else empty end;
  [limit(3; places($want; $got; ""))] | join("; ");
# Only what `want` names.
def projected($want):
  . as $got | if ($want | type) == "object" and type == "object"
    then reduce ($want | keys[]) as $k ({}; if $got | has($k) then .[$k] = ($got[$k] | projected($want[$k])) else . end)
    else . end;

# A case that still runs when the recording ends has done as much as there was time for.
def never_ends: [.[] | select(.subresource == "status" and .code < 400)] | last | .body.status.phase
  | IN("Succeeded", "Failed", "Initialized", "Terminating") | not;
def least($a; $b): [$a, $b | length] | min;

def compare_changes($want; $got; $open):
  (if $open then least($want; $got) else [$want, $got | length] | max end) as $n
  | [limit(1; range($n) as $i | $want[$i] as $w | $got[$i] as $g
    | if $g == null then "change \($i + 1), \($w.phase): recorded \($w.key) \($w.now | short), here nothing more"
      elif $w == null then "change \($i + 1), \($g.phase): recorded nothing more, here \($g.key) \($g.now | short)"
      elif $w.key != $g.key then "change \($i + 1), \($w.phase): recorded \($w.key) \($w.now | short), here \($g.key) \($g.now | short)"
      else (if $w.partial and $g.partial then $g.now
            elif $w.partial then $g.full | projected($w.now)
            elif $g.partial then $g.full else $g.now end) as $now
        | differences($w.now; $now) | select(. != "") | "change \($i + 1), \($w.phase), \($w.key): \(.)"
      end)];

def compare_lists($what; $want; $got; $open):
  (if $open then least($want; $got) else [$want, $got | length] | max end) as $n
  | [limit(1; range($n) | select($want[.] != $got[.])
    | "\($what) \(. + 1): recorded \($want[.] // "nothing more"), here \($got[.] // "nothing more")")];

# Hooks and queries of each case, in order; the checksum is a spec hash.
def calls($names):
  reduce .[] as $c ({};
    (if $c.hook then $c.hook.name
     else [$names[] as $n | select($c.query | test("(?<![a-z0-9-])\($n)(?![a-z0-9]|-(?!primary|canary|\\[))")) | $n] | max_by(length) end) as $name
    | .[$name // ""] += [if $c.hook then "hook \($c.hook | del(.checksum) | tojson)"
        else "query \($c.query | ltrimstr("/api/v1/query?query=") | gsub("\\s+"; " ") | ltrimstr(" ") | rtrimstr(" "))" end]);

($want | map(.case) | unique) as $names
| ($want | group_by(.case) | map({(.[0].case): .}) | add) as $recorded
| ($got | group_by(.case) | map({(.[0].case // ""): .}) | add // {}) as $here
| (["install", "release", "config"] | map({phase: ., objects: workloads(.)})) as $files
| ($want_world | calls($names)) as $calls_recorded
| ($got_world | calls($names)) as $calls_here
| $names[] as $case
| if $skip | index($case) then {case: $case, result: "skipped", differences: []}
  else ($recorded[$case] | never_ends) as $open
    | ($recorded[$case] | map(select(.resource == "events")) | length >= events_max) as $many
    | ($recorded[$case] | events) as $events
    | ($here[$case] // [] | events) as $events_here
    | (compare_changes($recorded[$case] | changes($files) | sort_copies; $here[$case] // [] | changes($files) | sort_copies; $open)
       + compare_lists("event"; $events; $events_here; $open or $many)
       + compare_lists("call"; $calls_recorded[$case] // []; $calls_here[$case] // []; $open)
       + if $open and ($events_here | length) * 2 < ($events | length) then ["recorded \($events | length) events, here only \($events_here | length)"] else [] end)
    | {case: $case, result: (if length == 0 then "passed" else "failed" end), differences: .}
  end

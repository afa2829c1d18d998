#!/usr/bin/env perl
# Open a page in headless Chromium with the network off, and hold it to what every reader may expect.
#   tests/web/look.pl [--phone FILE.png] [--desktop FILE.png] [--dark FILE.png] [--pdf FILE.pdf] [--part FROM,HEIGHT] [--text WORDS]... PAGE.html
# Fails when the page asks for anything, runs or logs anything, overflows a phone of 390 px, shows a picture that
# does not load or has no words for it, a table without headers, text without contrast (light, dark, print), or
# when it does not hold the WORDS as text. Prints one line per fault. Exit 1: faults; 77: no Chromium.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use JSON::PP qw(decode_json encode_json);
use MIME::Base64 qw(decode_base64);
use POSIX qw(dup2);

my (%save, @words);
while (@ARGV > 1) {
    my $option = shift @ARGV;
    if ($option =~ /^--(phone|desktop|dark|pdf)$/) { $save{$1} = shift @ARGV }
    elsif ($option eq '--part') { $save{part} = shift @ARGV }
    elsif ($option eq '--text') { push @words, shift @ARGV }
    else { die "look.pl: no option $option\n" }
}
my $page = abs_path($ARGV[0]) or die "look.pl: no page\n";
my ($chromium) = grep { -x $_ } map { ("$_/chromium", "$_/chromium-browser") } split /:/, $ENV{PATH};
if (!$chromium) {
    print "no chromium: scripts/deps.sh web\n";
    exit 77;
}

# ---- the browser, spoken to through two pipes ----
my $profile = tempdir(CLEANUP => 1);
pipe(my $from_us, my $to_browser) or die;
pipe(my $from_browser, my $to_us) or die;
my $pid = fork // die "fork: $!";
if (!$pid) {
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', "$profile/out";
    open STDERR, '>', "$profile/err";
    dup2(fileno $from_us, 20);    # out of the way: 3 and 4 may be in use
    dup2(fileno $to_us, 21);
    dup2(20, 3);
    dup2(21, 4);
    exec {$chromium} $chromium, '--headless', '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run',
        '--disable-dev-shm-usage', '--disable-component-update', '--disable-sync', '--hide-scrollbars',
        '--proxy-server=127.0.0.1:9', '--host-resolver-rules=MAP * ~NOTFOUND', "--user-data-dir=$profile/profile",
        '--remote-debugging-pipe', 'about:blank';
}
close $from_us; close $to_us;
$to_browser->autoflush(1);
local $SIG{ALRM} = sub { kill 'KILL', $pid; die "look.pl: Chromium does not answer\n" };
alarm($ENV{LOOK_TIMEOUT} // 300);

my ($id, $session, $buffer, @events) = (0, undef, '');
sub receive {    # the next message
    while ((my $end = index $buffer, "\0") < 0) {
        sysread($from_browser, $buffer, 1 << 16, length $buffer) or die "look.pl: Chromium went away\n";
    }
    my $end = index $buffer, "\0";
    my $message = substr $buffer, 0, $end;
    $buffer = substr $buffer, $end + 1;
    return decode_json($message);
}
sub call {
    my ($method, %params) = @_;
    my $wanted = ++$id;
    print $to_browser encode_json({ id => $wanted, method => $method, params => \%params, ($session ? (sessionId => $session) : ()) }), "\0";
    while (1) {
        my $m = receive();
        if (!defined $m->{id}) { push @events, $m; next }
        next if $m->{id} != $wanted;
        die "look.pl: $method: $m->{error}{message}\n" if $m->{error};
        return $m->{result};
    }
}
sub wait_for {
    my ($method) = @_;
    return if grep { $_->{method} eq $method } @events;
    while (1) {
        my $m = receive();
        push @events, $m if !defined $m->{id};
        return if ($m->{method} // '') eq $method;
    }
}
sub evaluate {
    my $r = call('Runtime.evaluate', expression => $_[0], returnByValue => JSON::PP::true);
    die "look.pl: " . ($r->{exceptionDetails}{exception}{description} // 'evaluate') . "\n" if $r->{exceptionDetails};
    return $r->{result}{value};
}
sub save {
    my ($file, $data) = @_;
    open my $out, '>:raw', $file or die "$file: $!\n";
    print $out $data;
    close $out or die "$file: $!\n";
}

my $failed = 0;
sub fault { print "$page: @_\n"; $failed = 1 }

my $target = call('Target.createTarget', url => 'about:blank')->{targetId};
$session = call('Target.attachToTarget', targetId => $target, flatten => JSON::PP::true)->{sessionId};
call("$_.enable") for qw(Page Runtime Log Network);
call('Network.emulateNetworkConditions', offline => JSON::PP::true, latency => 0, downloadThroughput => -1, uploadThroughput => -1);

sub size { my ($w, $h) = @_; call('Emulation.setDeviceMetricsOverride', width => $w, height => $h, deviceScaleFactor => $w < 500 ? 2 : 1, mobile => $w < 500 ? JSON::PP::true : JSON::PP::false) }
sub scheme { call('Emulation.setEmulatedMedia', media => $_[1] // '', features => [{ name => 'prefers-color-scheme', value => $_[0] }]) }
sub open_page {
    @events = grep { $_->{method} ne 'Page.loadEventFired' } @events;
    call('Page.navigate', url => "file://$page");
    wait_for('Page.loadEventFired');
    evaluate('1');
}

# ---- what the page says of itself, in its own document ----
my $look = <<'JS';
(() => {
  const faults = [], width = document.documentElement.clientWidth, root = document.documentElement;
  if (root.scrollWidth > width) faults.push(`is ${root.scrollWidth} px wide on a screen of ${width} px`);
  for (const e of document.body.querySelectorAll('*')) {
    const b = e.getBoundingClientRect(), s = getComputedStyle(e);
    if (b.width > 1 && b.height > 1 && s.clipPath === 'none' && !e.closest('thead') && b.right > width + 1)
      faults.push(`<${e.localName}> ends at ${Math.round(b.right)} px of ${width}: ${e.textContent.slice(0, 40)}`);
  }
  for (const i of document.images) {
    if (!i.complete || i.naturalWidth === 0) faults.push('a picture does not load');
    if (!i.alt.trim()) faults.push('a picture has no words');
  }
  for (const t of document.querySelectorAll('table'))
    if (!t.querySelector('thead th[scope=col]') || !t.caption) faults.push('a table without headers or caption');
  if (document.scripts.length) faults.push(`has ${document.scripts.length} scripts`);
  for (const e of document.querySelectorAll('*'))
    for (const a of e.attributes) {
      if (/^on/i.test(a.name)) faults.push(`<${e.localName}> has ${a.name}`);
      if (/^(src|href|srcset|action|data|poster)$/.test(a.name) && !/^(data:|#)/.test(a.value)) faults.push(`<${e.localName}> refers to ${a.value}`);
    }
  if (document.querySelectorAll('h1').length !== 1 || !document.title || !document.documentElement.lang) faults.push('needs one h1, a title and a language');
  const rgb = c => { const m = c.match(/[\d.]+/g).map(Number); return m.length === 4 && m[3] === 0 ? null : m };
  const light = c => { const f = c.slice(0, 3).map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2] };
  const back = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c) return c } return [255, 255, 255] };
  for (const e of document.body.querySelectorAll('*')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
    const a = light(rgb(getComputedStyle(e).color)), b = light(back(e)), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const box = e.getBoundingClientRect(), words = e.textContent.trim();
    if (!e.closest('thead') && words.length > 12 && box.width > 1 && (box.width < 40 || (box.width < 100 && box.height > 90))) faults.push(`squeezed to ${Math.round(box.width)} px: "${words.slice(0, 30)}"`);
    if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(1)} of "${e.textContent.trim().slice(0, 30)}"`);
    if (parseFloat(getComputedStyle(e).fontSize) < 11.9) faults.push(`small letters: "${e.textContent.trim().slice(0, 30)}"`);
  }
  return { faults, text: document.body.innerText + '\n' + document.title, pictures: document.images.length };
})()
JS
sub look_at {
    my ($where) = @_;
    my $seen = evaluate($look);
    my @faults = @{ $seen->{faults} };
    fault("$where: $_") for @faults[0 .. ($#faults > 11 ? 11 : $#faults)];
    fault("$where: ... " . (@faults - 12) . ' more') if @faults > 12;
    return $seen;
}
sub shoot {
    my ($file) = @_;
    my ($from, $height) = split /,/, $save{part} // '';
    my @clip = $height ? (clip => { x => 0, y => $from + 0, width => evaluate('innerWidth'), height => $height + 0, scale => 1 }) : ();
    my $r = call('Page.captureScreenshot', format => 'png', captureBeyondViewport => JSON::PP::true, @clip);
    my $png = decode_base64($r->{data});
    fault('a screenshot is empty') if length $png < 5000 || substr($png, 1, 3) ne 'PNG';
    save($file, $png) if $file;
}

size(390, 844);
scheme('light');
open_page();
my $seen = look_at('phone');
fault('no picture') if !$seen->{pictures};
for my $words (@words) {
    fault("does not say: $words") if index($seen->{text}, $words) < 0;
}
shoot($save{phone});
scheme('dark');
look_at('phone, dark');
size(1280, 900);
scheme('light');
open_page();
look_at('desktop');
shoot($save{desktop});
scheme('dark');
look_at('desktop, dark');
shoot($save{dark}) if $save{dark};
size(794, 1123);
scheme('light', 'print');
look_at('print');
my $pdf = decode_base64(call('Page.printToPDF', printBackground => JSON::PP::true, preferCSSPageSize => JSON::PP::true)->{data});
fault('does not print') if substr($pdf, 0, 5) ne '%PDF-' || length $pdf < 5000;
save($save{pdf}, $pdf) if $save{pdf};

for my $e (@events) {
    my $p = $e->{params};
    if ($e->{method} eq 'Network.requestWillBeSent') {
        my $url = $p->{request}{url};
        fault('asks for ' . substr $url, 0, 80) if $url !~ /^data:/ && $url ne "file://$page" && $url ne 'about:blank';
    }
    fault("logs: $p->{entry}{text}") if $e->{method} eq 'Log.entryAdded';
    fault('logs: ' . encode_json($p->{args})) if $e->{method} eq 'Runtime.consoleAPICalled';
    fault("throws: $p->{exceptionDetails}{text}") if $e->{method} eq 'Runtime.exceptionThrown';
}
undef $session;
eval { call('Browser.close') };
waitpid $pid, 0;
exit $failed;

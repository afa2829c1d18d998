#!/usr/bin/env perl
# The documentation agrees with the code: names that code cites exist in the pages, names that the program has are
# documented, links lead somewhere, and every figure of speed or size stands beside the command that measures it.
use strict;
use warnings;
use utf8;

my $failed = 0;
sub fail { print "@_\n"; $failed = 1 }
sub slurp { my ($f) = @_; open(my $in, '<:encoding(UTF-8)', $f) or die "$f: $!\n"; local $/; return <$in> }
binmode STDOUT, ':encoding(UTF-8)';

my $semantics = slurp('docs/engine/semantics.md');
my $deviations = slurp('docs/engine/deviations.md');
my @code = split /\n/, qx(git ls-files 'engine/*.[ch]' 'sim/*.[ch]' 'adapters/*.[ch]' 2>/dev/null || true);
@code = (glob('engine/*.[ch]'), glob('sim/*.[ch]'), glob('adapters/*/*.[ch]')) unless @code;

# ---- sections, gates and quirks cited by code
for my $file (@code) {
    next unless -f $file;
    my $text = slurp($file);
    $text =~ s/\n\s*\*\s*/ /g;
    next unless $file =~ /^engine/ || $text =~ /semantics\.md/;
    while ($text =~ /semantics\.md(?:,? ?)(§[\d.]*\d(?:, §[\d.]*\d)*)/g) {
        for my $section (split /, /, $1) {
            fail("$file cites $section, which docs/engine/semantics.md does not have")
                unless $semantics =~ /^#+ \Q$section\E |^\*\*\Q$section\E /m;
        }
    }
    next unless $file =~ /^engine/;
    while ($text =~ /\{"(§?[GQ]?[\d.]+\d)",/g) {
        my $name = $1;
        fail("$file cites $name, which docs/engine/semantics.md does not have")
            unless $semantics =~ /^#+ \Q$name\E |^\| \Q$name\E |^\*\*\Q$name\E /m || $semantics =~ /^\| \Q$name\E[a-z]? /m || $semantics =~ /^\| \Q$name\E[a-z]/m;
    }
}
for my $n (1 .. 63) {
    my $q = sprintf 'Q%02d', $n;
    fail("docs/engine/semantics.md lacks quirk $q") unless $semantics =~ /^\| $q \|/m;
}

# ---- deviations: the same names and quirks in the table of the engine and on the page
my $header = slurp('engine/deviation.h');
my (%table, %page);
$table{$1} = $2 while $header =~ /X\(\w+,\s*"([a-z0-9-]+)",\s*"(Q\d+)"/g;
$page{$1} = $2 while $deviations =~ /^### `([a-z0-9-]+)` \((Q\d+)\)\n(?=\S)/mg;
fail('engine/deviation.h: no table found') unless %table;
for my $name (sort keys %table) {
    if (!defined $page{$name}) { fail("docs/engine/deviations.md has no paragraph on $name") }
    elsif ($page{$name} ne $table{$name}) { fail("docs/engine/deviations.md: $name is $table{$name}") }
    fail("docs/engine/semantics.md: $table{$name} does not name $name")
        unless $semantics =~ /^\| $table{$name} \|.*`$name`/m;
    fail("no scenario shows $name: scenarios/deviations/$name.yaml")
        if -d 'scenarios/deviations' && !-f "scenarios/deviations/$name.yaml";
    fail("docs/engine/deviations.md: $name does not link to its scenario")
        unless $deviations =~ /^### `$name` (?:(?!^#).*\n)*?.*scenarios\/deviations\/$name\.yaml/m;
}
for my $name (sort keys %page) {
    fail("docs/engine/deviations.md: no deviation is called $name") unless $table{$name};
}

# ---- the database: every column and view is on its page
my $sqlite = slurp('docs/reference/sqlite.md');
my $schema = slurp('reports/schema.sql');
while ($schema =~ /CREATE TABLE IF NOT EXISTS (\w+) \((.*?)\n\)/sg) {
    my ($name, $body) = ($1, $2);
    fail("docs/reference/sqlite.md does not have table $name") unless $sqlite =~ /`$name`/;
    while ($body =~ /^    ([a-z_]+) /mg) {
        fail("docs/reference/sqlite.md does not have $name.$1") unless $sqlite =~ /`$1`/;
    }
}
my $views = slurp('reports/views.sql');
while ($views =~ /CREATE VIEW IF NOT EXISTS (\w+)/g) {
    fail("docs/reference/sqlite.md does not have view $1") unless $sqlite =~ /^\| `$1` \|/m;
}
fail('docs/reference/sqlite.md: schema version')
    unless slurp('adapters/store/store.h') =~ /STORE_SCHEMA_VERSION (\d+)/ && $sqlite =~ /now \*\*$1\*\*/;

my $flight_page = slurp('docs/reference/flight.md');
my $flight_schema = slurp('reports/flight.sql');
while ($flight_schema =~ /CREATE TABLE (\w+) \((.*?)\n\)/sg) {
    my ($name, $body) = ($1, $2);
    fail("docs/reference/flight.md does not have table $name") unless $flight_page =~ /^\| `$name` \|/m;
    while ($body =~ /^    ([a-z_]+) /mg) {
        fail("docs/reference/flight.md does not have $name.$1") unless $flight_page =~ /`$1`/;
    }
}
fail('docs/reference/flight.md: schema version')
    unless slurp('adapters/store/flight.h') =~ /FLIGHT_SCHEMA_VERSION (\d+)/ && $flight_page =~ /now \*\*$1\*\*/;

# ---- links, and figures
my @pages = grep { -f } ('README.md', 'CONTRIBUTING.md', glob('docs/*.md'), glob('docs/*/*.md'), glob('*/README.md'));
for my $file (@pages) {
    my $text = slurp($file);
    (my $dir = $file) =~ s{[^/]*$}{};
    (my $prose = $text) =~ s/^ *```.*?^ *```//msg;
    while ($prose =~ /\]\(([^)#\s]+)(?:#[^)]*)?\)/g) {
        my $target = $1;
        next if $target =~ /^[a-z]+:/;
        fail("$file: link to $target leads nowhere") unless -e "$dir$target";
    }
    next unless $file =~ m{^(README|docs/(design|tutorial|operations))};
    # A paragraph with a measured figure names the command that measures it.
    for my $paragraph (split /\n\s*\n/, $prose) {
        next unless $paragraph =~ m{\b\d[\d,.]* ?(M|k)? ?(?:µs|ns\b|rows/s|ticks/s|/s\b|MiB\b|MB\b|GB\b|times faster)};
        fail("$file: a figure without the command that measures it: " . substr($paragraph, 0, 100))
            unless $paragraph =~ /`(?:make|coalmine|build|scripts|bench)[^`]*`/;
    }
}
exit $failed;

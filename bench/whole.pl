# Runs a command and waits for all that it leaves behind, so that GNU time around this counts
# children whose parent did not wait for them, too. As soon as the command itself has ended, its
# exit status is written to descriptor 3. Linux only: its subreaper gets all orphans below it.
use strict;
use warnings;

my %prctl = (x86_64 => 157, aarch64 => 167);
my $machine = `uname -m`;
chomp $machine;
my $number = $prctl{$machine} or die "the number of prctl on $machine is not known here\n";
my $subreaper = 36;
syscall($number, $subreaper, 1, 0, 0, 0) == 0 or die "prctl: $!\n";

open(my $ended, '>&=', 3) or die "descriptor 3: $!\n";
my $child = fork() // die "fork: $!\n";
if ($child == 0) {
  close($ended);
  exec { $ARGV[0] } @ARGV or die "$ARGV[0]: $!\n";
}
while ((my $gone = wait()) > 0) {
  next if $gone != $child;
  syswrite($ended, ($? & 127 ? 128 + ($? & 127) : $? >> 8) . "\n");
}

#!/usr/bin/env node
/** Entry point, in a JavaScript that every Node reads: one that is too old is refused in a line. boot.ts has the rest. */

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major > 20 || (major === 20 && minor >= 19)) {
  require('./boot.js');
} else {
  process.stderr.write(
    `error: ferryline needs Node 20.19 or newer, and ${process.execPath} is ${process.versions.node}: install a newer one (https://nodejs.org/en/download), or ferryline's .deb or single executable, which have their own\n`,
  );
  process.exitCode = 2;
}

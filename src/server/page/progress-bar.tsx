/** How far a run is: a bar, and the same in words. */
import { progress } from './live.js';
import { bytesText, countText, spanText } from './times.js';
import type { Progress } from './types.js';

interface ProgressBarProps {
  readonly run: string;
  /** What was known when the run was asked for. */
  readonly first?: Progress | undefined;
}

export function ProgressBar({ run, first }: ProgressBarProps) {
  const now = progress.value.get(run) ?? first;
  if (now === undefined) return <span class="ago">running</span>;
  const { phase, scanned, files, bytes, rate = 0, secondsLeft } = now;
  if (phase !== 'transfer' || files.total === 0)
    return (
      <span>
        {phase}, {countText(scanned)} entries
      </span>
    );
  const share = bytes.total > 0 ? bytes.done / bytes.total : files.done / files.total;
  const left = secondsLeft === undefined ? '' : `, ${spanText(secondsLeft * 1000)} left`;
  const speed = rate > 0 ? `, ${bytesText(rate)}/s` : '';
  return (
    <span class="progress">
      <progress max={100} value={share * 100} aria-label="progress" /> {Math.floor(share * 100)}%{' '}
      {bytesText(bytes.done)} of {bytesText(bytes.total)}, {countText(files.done)} of{' '}
      {countText(files.total)} files
      {speed}
      {left}
    </span>
  );
}

/** The moment that is now, ms; it ticks each second while the page is seen. */
import { signal } from '@preact/signals';

export const clock = signal(Date.now());

const tick = () => {
  if (document.visibilityState === 'visible') clock.value = Date.now();
};
setInterval(tick, 1000);
document.addEventListener('visibilitychange', tick);

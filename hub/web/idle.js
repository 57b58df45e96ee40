/** Noticing that a person has been away from the page. */

const SIGNS = ["pointerdown", "pointermove", "keydown", "wheel", "touchstart"];
/** Signs come by the hundred; looking at one a second is enough. */
const NOTICE_MS = 1_000;

/**
 * Call *onchange* with true once nobody has touched the page for *afterMs*, and with false when somebody does again.
 * @param {number} afterMs
 * @param {(isIdle: boolean) => void} onchange
 */
export function watchIdle(afterMs, onchange) {
  let isIdle = false;
  let noticedAt = 0;
  let timer;
  const become = (idle) => {
    if (idle !== isIdle) onchange((isIdle = idle));
  };
  const sign = () => {
    const now = Date.now();
    if (!isIdle && now - noticedAt < NOTICE_MS) return;
    noticedAt = now;
    clearTimeout(timer);
    timer = setTimeout(() => become(true), afterMs);
    become(false);
  };
  for (const name of SIGNS) document.addEventListener(name, sign, { passive: true });
  sign();
}

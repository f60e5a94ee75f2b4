/*
 * What a submission's private page has beside podium.js, which is loaded after this and calls it at each turn: the place in the queue, and
 * the log as it grows.
 */
'use strict';

window.podiumSubmission = ({ $, t, length, say, PATIENCE }) => {
  /* A submission's place moves with everybody else's, so that it stands in queue.json and not on the private page. */
  function place(queue) {
    const own = queue.waiting.find((entry) => `${entry.submission}` === $('place')?.dataset.submission);
    if (!own) return;
    // Rounded up: whoever waits forgives early and not late.
    const { eta_seconds: seconds } = own;
    const at = own.position === 1 ? t('next') : t('ahead', { n: own.position - 1 });
    const time = () => length(seconds < 60 ? Math.max(5, seconds) : Math.ceil(seconds / 60) * 60);
    say('place', seconds === null ? at : t('with_result', { place: at, time: time() }));
  }

  /* log.txt grows while a submission is checked and judged. It comes in pieces, each from a little before the end of what is known: that shows
     whether the file is still the same one. Where it is not, and from a server that knows no ranges, it comes whole. */
  let log = new Uint8Array(), written = '', ended = false;
  async function follow() {
    const box = $('log'), last = !document.querySelector('.steps .now');
    if (!box || ended && last) return;
    const from = Math.max(0, log.length - 64), known = log.subarray(from);
    const ask = (headers) => fetch('log.txt', { cache: 'no-store', headers, signal: AbortSignal.timeout?.(PATIENCE) });
    const read = async (answer) => {
      if (!answer.ok || !answer.headers.get('content-type')?.startsWith('text/plain')) throw new Error(answer.status);
      return new Uint8Array(await answer.arrayBuffer());
    };
    let answer = await ask(from ? { Range: `bytes=${from}-` } : {}), piece = null;
    if (answer.status === 206) {
      piece = await read(answer);
      const same = answer.headers.get('content-range')?.startsWith(`bytes ${from}-`) && known.every((byte, at) => byte === piece[at]);
      piece = same ? new Uint8Array([...log.subarray(0, from), ...piece]) : null;
      if (!same) answer = await ask({});
    } else if (answer.status === 416) answer = await ask({});
    log = piece ?? await read(answer);
    ended = last;
    const text = new TextDecoder().decode(log), first = box.hidden;
    if (text === written) return;
    const atEnd = box.scrollTop + box.clientHeight > box.scrollHeight - 8;
    if (text.startsWith(written)) box.append(text.slice(written.length)); else box.textContent = text;
    written = text;
    box.hidden = false;
    // Only who reads the end is taken along; and a screen reader is told of what comes, not of what was there.
    if (atEnd) box.scrollTop = box.scrollHeight;
    if (first) box.setAttribute('role', 'log');
  }

  return { place, follow };
};

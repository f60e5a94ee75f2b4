/*
 * Podium's pages are whole without this file. With it they stay current: a page fetches its own address and works the
 * difference into what is on the screen, so that focus, selection, scroll positions, open <details> and typed text stay.
 * It is a classic script, because a module does not load from file://.
 *
 * One rule keeps it simple: whatever the script adds to the page (times in words, filtered rows, the mark on one's own row)
 * `dress` adds to the fetched page too, before the two are compared.
 */
'use strict';

(() => {
  const POLL = 2000, POLL_HIDDEN = 20000, PATIENCE = 10000, SILENCE = 15000;
  const html = document.documentElement;
  const $ = (id, doc = document) => doc.getElementById(id);
  html.classList.add('js');

  // ---------------------------------------------------------------- times

  /* The server's clock less the reader's: a wrong clock at home must not declare the daemon dead. */
  let skew = 0;
  const now = () => Date.now() + skew;

  const dates = (options) => new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', ...options });
  const thisYear = dates({ weekday: 'short', day: 'numeric', month: 'short' });
  const otherYear = dates({ day: 'numeric', month: 'short', year: 'numeric' });
  const date = (at) => (new Date(at).getFullYear() === new Date().getFullYear() ? thisYear : otherYear).format(at);

  /* 75 -> "1 min 15 s", or "1 min" with `units` 1. */
  function length(seconds, units = 2) {
    const words = [];
    for (const [size, name] of [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']]) {
      if (units > 0 && seconds >= size) words.push(`${Math.floor(seconds / size)} ${name}`);
      if (words.length) units -= 1;
      seconds %= size;
    }
    return words.join(' ') || '0 s';
  }

  function words(at, as) {
    const past = Math.floor((now() - at) / 1000);
    switch (as) {
      case 'at': return date(at);
      case 'until': return past < 0 ? `${date(at)} (in ${length(-past)})` : date(at);
      case 'for': return `${length(Math.max(past, 0))} ago`;
      default: return past < 5 ? 'just now' : past < 30 * 86400 ? `${length(past, 1)} ago` : date(at);
    }
  }

  function spell(time) {
    const at = Date.parse(time.dateTime);
    if (Number.isNaN(at)) return;
    const text = words(at, time.dataset.as);
    if (time.textContent !== text) time.textContent = text;
    time.title = `${time.dateTime.slice(0, 19).replace('T', ' ')} UTC`;
  }

  const spellAll = (doc) => { for (const time of doc.getElementsByTagName('time')) spell(time); };

  function timeOf(at, as) {
    const time = document.createElement('time');
    time.dateTime = new Date(at).toISOString();
    time.dataset.as = as;
    spell(time);
    return time;
  }

  // ---------------------------------------------------------------- one's own row, and finding others

  /* Storage may be forbidden, as on file:// in some browsers; then the name is forgotten with the page. */
  let me = null;
  try { me = localStorage.getItem('podium.me'); } catch { /* see above */ }
  function setMe(name) {
    me = name;
    try { name ? localStorage.setItem('podium.me', name) : localStorage.removeItem('podium.me'); } catch { /* see above */ }
    refine();
  }

  const nameOf = (row) => row.querySelector('th a')?.textContent ?? '';
  const sought = () => $('find')?.value.trim().toLowerCase() ?? '';
  const rank = () => $(`u-${me}`)?.cells[0].textContent;

  /* Everything that this script adds to a page. */
  function dress(doc) {
    spellAll(doc);
    for (const row of doc.querySelectorAll('tr[id]')) {
      const name = nameOf(row);
      if (name === me || row.classList.contains('me')) row.classList.toggle('me', name === me);
      if (row.closest('.board')) row.hidden = !name.includes(sought());
    }
  }

  function refine() {
    dress(document);
    if (!$('find')) return;
    const names = [...document.querySelectorAll('.board tr[id]')].map(nameOf);
    const find = sought(), hits = names.filter((name) => name.includes(find)), known = names.includes(me);
    const one = known ? me : hits.includes(find) ? find : hits.length === 1 && find ? hits[0] : '';
    $('me').textContent = known ? 'Where am I?' : 'This is me';
    $('me').hidden = !one;
    $('me').value = one;
    $('forget').hidden = !known;
    say('found', find ? `${hits.length} of ${names.length}` : '');
  }

  /* Texts that a screen reader reads out when they change. */
  const say = (id, text) => { if ($(id) && $(id).textContent !== text) $(id).textContent = text; };

  document.addEventListener('input', (event) => { if (event.target.id === 'find') refine(); });
  document.addEventListener('click', ({ target }) => {
    if (target.id === 'forget') setMe(null);
    if (target.id !== 'me') return;
    $('find').value = '';
    setMe(target.value);
    const row = $(`u-${me}`);
    row?.scrollIntoView({ block: 'center', behavior: calm.matches ? 'auto' : 'smooth' });
    row?.querySelector('a').focus({ preventScroll: true });
  });

  // ---------------------------------------------------------------- morphing

  /* Makes `live` equal to `next` with as few touches as possible. Children with an id are the same ones wherever they
     stand; others are matched in order. What carries data-own is this script's and is left alone. */
  function morph(live, next) {
    if (live.nodeType !== Node.ELEMENT_NODE) {
      if (live.nodeValue !== next.nodeValue) live.nodeValue = next.nodeValue;
      return;
    }
    if ('own' in live.dataset || live.isEqualNode(next)) return;
    for (const { name } of [...live.attributes]) {
      if (name !== 'open' && !next.hasAttribute(name)) live.removeAttribute(name);
    }
    for (const { name, value } of next.attributes) {
      if (live.getAttribute(name) !== value) live.setAttribute(name, value);
    }
    const byId = new Map([...live.children].filter((child) => child.id).map((child) => [child.id, child]));
    let place = live.firstChild;
    for (const want of next.childNodes) {
      let node = byId.get(want.id);
      if (!want.id) for (node = place; node && (node.id || node.nodeName !== want.nodeName);) node = node.nextSibling;
      if (!node) {
        live.insertBefore(document.importNode(want, true), place);
        continue;
      }
      if (node === place) place = place.nextSibling;
      else live[live.moveBefore ? 'moveBefore' : 'insertBefore'](node, place);
      morph(node, want);
    }
    while (place) {
      const gone = place;
      place = place.nextSibling;
      gone.remove();
    }
  }

  /* Moving an element takes the focus and the selection from it where the browser has no moveBefore. */
  function keepingFocus(change) {
    const active = document.activeElement, chosen = getSelection();
    const ends = [chosen.anchorNode, chosen.anchorOffset, chosen.focusNode, chosen.focusOffset], some = !chosen.isCollapsed;
    change();
    if (active !== document.activeElement && active.isConnected) active.focus({ preventScroll: true });
    if (some && chosen.isCollapsed && ends[0].isConnected && ends[2].isConnected) {
      try { chosen.setBaseAndExtent(...ends); } catch { /* the text has become shorter */ }
    }
  }

  // ---------------------------------------------------------------- rows that move, rows that changed

  const calm = matchMedia('(prefers-reduced-motion: reduce)');
  const rowsOf = (doc) => [...doc.querySelectorAll('tr[id], .verdict')];

  /* What makes a row news. Not its rank, its bar or its place in the queue: those change when somebody else moves. */
  const quiet = '.eta, .board :nth-child(1), .board :nth-child(4)';
  const newsOf = (doc) => new Map(rowsOf(doc).map((row) => [row.id,
    [...row.children].map((cell) => cell.matches(quiet) ? '' : cell.outerHTML).join()]));

  function animating(change, before, after) {
    if (document.hidden) return change();
    const tops = new Map(rowsOf(document).map((row) => [row, row.getBoundingClientRect().top]));
    change();
    const flash = getComputedStyle(html).getPropertyValue('--flash');
    const seen = (y) => y > -100 && y < innerHeight + 100;
    for (const row of rowsOf(document)) {
      const to = row.getBoundingClientRect().top, from = tops.get(row) ?? to;
      if (!seen(to) && !seen(from)) continue;
      if (from !== to && !calm.matches) {
        row.animate([{ transform: `translateY(${from - to}px)` }, { transform: 'none' }], { duration: 450, easing: 'cubic-bezier(.2,.7,.2,1)' });
      }
      if (before.get(row.id) === after.get(row.id)) continue;
      for (const cell of row.cells ?? [row]) cell.animate([{ backgroundColor: flash }, {}], { duration: 2500, easing: 'ease-out' });
    }
  }

  // ---------------------------------------------------------------- staying current

  let known = newsOf(document), last = '', reached = Date.now();

  async function get(url) {
    const answer = await fetch(url, { cache: 'no-store', signal: AbortSignal.timeout?.(PATIENCE) });
    if (!answer.ok) throw new Error(answer.status);
    // The Date header has whole seconds: less than two of difference may be nothing but that.
    const ahead = Date.parse(answer.headers.get('date')) + 1000 * (answer.headers.get('age') ?? 0) - Date.now();
    skew = Math.abs(ahead) > 2000 ? ahead : 0;
    return answer.text();
  }

  async function refresh() {
    const text = await get(location.href.split('#')[0]);
    reached = Date.now();
    if (text === last) return;
    const next = new DOMParser().parseFromString(text, 'text/html');
    // The login page of a network, or an error page with status 200, is not this page.
    if (!$('main', next) || !$('foot', next)) throw new Error('not a page of Podium');
    last = text;
    const fresh = newsOf(next), was = rank();
    dress(next);
    for (const state of ['open', 'closed']) html.classList.toggle(state, next.documentElement.classList.contains(state));
    if (document.title !== next.title) say('say', document.title = next.title);
    keepingFocus(() => animating(() => {
      for (const id of ['top', 'main', 'foot']) morph($(id), $(id, next));
    }, known, fresh));
    known = fresh;
    refine();
    if (was && rank() && was !== rank()) say('found', `You moved from ${was} to ${rank()}.`);
  }

  /* The daemon's sign of life stands in queue.json, so that no page is rewritten only to show it. */
  let alive = NaN, queue = null;
  async function heartbeat() {
    queue = JSON.parse(await get(`${html.dataset.root}queue.json`));
    alive = Date.parse(queue.alive_at);
  }

  /* A submission's place moves with everybody else's, so that it stands in queue.json and not on the private page. */
  function place() {
    const own = queue.waiting.find((entry) => `${entry.submission}` === $('place')?.dataset.submission);
    if (!own) return;
    // Rounded up: whoever waits forgives early and not late.
    const { eta_seconds: seconds } = own;
    const eta = seconds === null ? '' : `, result in about ${length(seconds < 60 ? Math.max(5, seconds) : Math.ceil(seconds / 60) * 60)}`;
    say('place', (own.position === 1 ? 'next in line' : `${own.position - 1} ahead of you`) + eta);
  }

  /* The note under the header; left as it is while it says the same, since a screen reader reads each change. */
  let shown = '';
  function report() {
    const lost = Date.now() - reached > PATIENCE, silent = now() - alive > SILENCE;
    // Once the board is closed and the queue is empty, nobody misses the daemon.
    const queued = queue ? queue.running.length + queue.waiting.length : 0;
    const missed = silent && (html.classList.contains('open') || queued > 0);
    const note = lost
      ? ['This page has not been reachable since ', timeOf(reached, 'at'), '. It shows what was known then, and goes on by itself.']
      : missed
        ? ['The judging daemon has not been heard of since ', timeOf(alive, 'at'), '. What you hand in is kept, and judged when it is back.']
        : [];
    const text = note.map((part) => part.textContent ?? part).join('');
    if (text !== shown) {
      shown = text;
      const line = document.createElement('p');
      line.append(...note);
      $('notes').replaceChildren(...(text ? [line] : []));
    }
    if (Number.isNaN(alive)) return;
    $('count').firstChild.textContent = queued;
    $('count').hidden = !queued;
    place();
    $('pulse').classList.toggle('silent', silent || lost);
    $('pulse').replaceChildren('Last sign of life ', timeOf(alive, ''));
  }

  let timer = 0, busy = false;
  async function poll() {
    if (busy) return;
    clearTimeout(timer);
    busy = true;
    await Promise.allSettled([refresh(), heartbeat()]);
    busy = false;
    report();
    timer = setTimeout(poll, document.hidden ? POLL_HIDDEN : POLL);
  }

  refine();
  setInterval(() => { if (!document.hidden) spellAll(document); }, 1000);
  // "2 min ago" says nothing on paper.
  addEventListener('beforeprint', () => { for (const time of document.getElementsByTagName('time')) time.textContent = time.title; });
  if (location.protocol.startsWith('http')) {
    document.addEventListener('visibilitychange', () => { if (!document.hidden) poll(); });
    addEventListener('online', poll);
    poll();
  }
})();

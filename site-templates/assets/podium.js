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
  const POLL = 2000, POLL_OWN = 1000, POLL_HIDDEN = 20000, PATIENCE = 10000, SILENCE = 15000;
  const html = document.documentElement;
  const $ = (id, doc = document) => doc.getElementById(id);
  html.classList.add('js');

  // ---------------------------------------------------------------- words

  /* In the page's language, out of site-templates/strings/ by way of words-….js. */
  const said = window.podiumWords;
  const forms = new Intl.PluralRules(html.lang);

  /* A message as the texts and elements that it consists of. What is filled in may be an element; `n` chooses the form. */
  function pieces(key, values = {}) {
    const form = said[key].other ? said[key][forms.select(values.n)] ?? said[key].other : said[key];
    return form.split(/\{(\w+)\}/).map((part, place) => place % 2 ? values[part] : part);
  }
  const t = (key, values) => pieces(key, values).map((part) => part.textContent ?? part).join('');

  // For the lecture hall: large, and only what is read from afar. `?projector` behind the address of any page.
  if (new URLSearchParams(location.search).has('projector')) {
    html.classList.add('projector');
    const sheet = document.createElement('link');
    sheet.rel = 'stylesheet';
    sheet.href = `${html.dataset.root}assets/projector.css`;
    document.head.append(sheet);
  }

  // ---------------------------------------------------------------- times

  /* The server's clock less the reader's: a wrong clock at home must not declare the daemon dead. */
  let skew = 0;
  const now = () => Date.now() + skew;

  const dates = (options) => new Intl.DateTimeFormat(said.locale, { hour: '2-digit', minute: '2-digit', ...options });
  const thisYear = dates({ weekday: 'short', day: 'numeric', month: 'short' });
  const otherYear = dates({ day: 'numeric', month: 'short', year: 'numeric' });
  const date = (at) => (new Date(at).getFullYear() === new Date().getFullYear() ? thisYear : otherYear).format(at);
  // Whoever comes from another zone reads which one is meant.
  const zone = dates({ timeZoneName: 'short' });
  const zoned = (at) => `${date(at)} ${zone.formatToParts(at).find((part) => part.type === 'timeZoneName')?.value ?? ''}`;

  /* 75 -> "1 min 15 s", or "1 min" with `units` 1. */
  function length(seconds, units = 2) {
    const words = [];
    for (const [size, name] of [[86400, 'days'], [3600, 'hours'], [60, 'minutes'], [1, 'seconds']]) {
      if (units > 0 && seconds >= size) words.push(t(name, { n: Math.floor(seconds / size) }));
      if (words.length) units -= 1;
      seconds %= size;
    }
    return words.join(' ') || t('seconds', { n: 0 });
  }

  function words(at, as) {
    const past = Math.floor((now() - at) / 1000);
    switch (as) {
      case 'at': return zoned(at);
      case 'until': return past < 0 ? t('to_come', { date: zoned(at), time: length(-past) }) : zoned(at);
      case 'for': return t('ago', { time: length(Math.max(past, 0)) });
      default: return past < 5 ? t('just_now') : past < 30 * 86400 ? t('ago', { time: length(past, 1) }) : date(at);
    }
  }

  function spell(time) {
    // On the board, which has many, the text is all there is.
    time.dateTime ||= time.textContent.replace(' ', 'T');
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
  const rank = () => $(`u-${me}`)?.cells[0].lastChild.textContent.trim();

  /* Everything that this script adds to a page. */
  function dress(doc) {
    spellAll(doc);
    for (const row of doc.querySelectorAll('tr[id]')) {
      const name = nameOf(row);
      if (name === me || row.classList.contains('me')) {
        row.classList.toggle('me', name === me);
        row.querySelector('th').dataset.me = t('you');
      }
      if (row.closest('.board')) row.hidden = !name.includes(sought());
    }
    // A piece of the board that is out of sight keeps the room of all its rows: few hits have to stand together.
    const pieces = [...boardOf(doc)?.tBodies ?? []], hits = rowsIn(doc).filter((row) => !row.hidden).length;
    boardOf(doc)?.classList.toggle('sought', Boolean(sought()) && hits < 500);
    for (const piece of pieces) piece.hidden = [...piece.rows].every((row) => row.hidden);
    sort(doc);
    // The narrow drawing has the larger words.
    if (html.classList.contains('projector')) for (const source of doc.querySelectorAll('.chart source')) source.removeAttribute('media');
  }

  /* The board comes in the order of its ranks. A reader may choose another column, which holds until the page is left. */
  let order = null, places = new Map(), ranking = '';
  const boardOf = (doc) => doc.querySelector('.board');
  const rowsIn = (doc) => [...doc.querySelectorAll('.board tbody tr')];
  function learn(doc) {
    places = new Map(rowsIn(doc).map((row, place) => [row.id, place]));
    ranking = boardOf(doc)?.querySelector('[aria-sort]')?.getAttribute('aria-sort') ?? '';
  }

  /* What a row is sorted by: a moment, a number, a text; the score by its place, which knows every digit and what is better. */
  function key(row) {
    const cell = row.cells[order.column];
    if (order.column === 0 || order.column === 2) return places.get(row.id);
    if (order.column === 1) return nameOf(row);
    const time = cell.querySelector('time'), text = cell.firstChild?.textContent.trim();
    if (time) return time.dateTime;
    // What is not there comes last either way.
    return text ? Number(text.replaceAll(said.group, '').replace(said.decimal, '.').replace(/[^\d.e+-]/g, '')) : order.down ? -Infinity : Infinity;
  }

  function sort(doc) {
    const board = boardOf(doc);
    if (!board) return;
    [...board.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.classList.contains('fix') && !head.querySelector('button')) {
        const button = doc.createElement('button');
        button.type = 'button';
        button.append(...head.childNodes);
        head.append(button);
      }
      const up = column === 2 ? ranking : 'ascending', down = up === 'ascending' ? 'descending' : 'ascending';
      const way = order ? column === order.column && (order.down ? down : up) : column === 2 && ranking;
      if (way) head.setAttribute('aria-sort', way); else head.removeAttribute('aria-sort');
    });
    const rows = rowsIn(doc), keys = new Map(order ? rows.map((row) => [row, key(row)]) : []);
    const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0) * (order?.down ? -1 : 1);
    const wanted = [...rows].sort((a, b) => compare(keys.get(a), keys.get(b)) || places.get(a.id) - places.get(b.id));
    if (wanted.every((row, place) => row === rows[place])) return;
    const sizes = [...board.tBodies].map((piece) => piece.rows.length);
    for (const [index, piece] of [...board.tBodies].entries()) piece.append(...wanted.splice(0, sizes[index]));
  }

  function refine() {
    dress(document);
    if (!$('find')) return;
    const names = rowsIn(document).map(nameOf);
    const find = sought(), hits = names.filter((name) => name.includes(find)), known = names.includes(me);
    const one = known ? me : hits.includes(find) ? find : hits.length === 1 && find ? hits[0] : '';
    $('me').textContent = t(known ? 'where' : 'me');
    $('me').hidden = !one;
    $('me').value = one;
    $('forget').hidden = !known;
    say('found', find ? t('found', { hits: hits.length, n: names.length }) : '');
  }

  /* Texts that a screen reader reads out when they change. */
  const say = (id, text) => { if ($(id) && $(id).textContent !== text) $(id).textContent = text; };

  document.addEventListener('input', (event) => { if (event.target.id === 'find') refine(); });
  document.addEventListener('keydown', (event) => { if (event.key === 'Enter' && event.target.id === 'find' && !$('me').hidden) $('me').click(); });
  document.addEventListener('click', ({ target }) => {
    const head = target.closest('.board thead button')?.closest('th');
    if (head) {
      const column = head.cellIndex;
      // The order of ranks is there from the beginning: what is new of it is its reverse.
      order = order?.column !== column ? { column, down: column === 0 || column === 2 } : order.down ? null : { column, down: true };
      refine();
      say('say', order ? t('sorted', { column: (head.querySelector('.sr') ?? head).innerText.trim() }) : t('sorted_by_rank'));
    }
    if (target.id === 'forget') setMe(null);
    if (target.id !== 'me') return;
    $('find').value = '';
    setMe(target.value);
    const row = $(`u-${me}`);
    // What lies between has its real height only once it is drawn: a long way is a jump, as a slow one would end beside its goal.
    const far = Math.abs(row?.getBoundingClientRect().top) > 3 * innerHeight;
    row?.scrollIntoView({ block: 'center', behavior: calm.matches || far ? 'instant' : 'smooth' });
    row?.querySelector('a').focus({ preventScroll: true });
  });

  // ---------------------------------------------------------------- morphing

  /* Makes `live` equal to `next` with as few touches as possible. Children with an id are the same ones wherever they
     stand, rows also in another table; others are matched in order. What carries data-own is this script's and is left alone. */
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
      let node = byId.get(want.id) ?? (want.id && want.nodeName === 'TR' ? $(want.id) : null);
      if (!want.id) for (node = place; node && (node.id || node.nodeName !== want.nodeName);) node = node.nextSibling;
      if (!node) {
        for (const row of want.querySelectorAll?.('tr[id]') ?? []) $(row.id)?.remove();
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
      // A row that goes to a table further down is fetched from there.
      if (gone.nodeName !== 'TR' || !gone.id || !$(gone.id, next.ownerDocument)) gone.remove();
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
  const news = (row) => row.closest('.board')
    ? row.cells[2].textContent + row.cells[5].textContent
    : [...row.children].map((cell) => cell.matches('.eta') ? '' : cell.outerHTML).join();
  const newsOf = (doc) => new Map(rowsOf(doc).map((row) => [row.id, news(row)]));

  function animating(change, before, after) {
    if (document.hidden) return change();
    // What is out of sight has no place: to ask for it would be to draw it.
    const drawn = () => rowsOf(document).filter((row) => row.checkVisibility?.({ contentVisibilityAuto: true }) ?? true);
    const tops = new Map(drawn().map((row) => [row, row.getBoundingClientRect().top]));
    change();
    const flash = getComputedStyle(html).getPropertyValue('--flash');
    const seen = (y) => y > -100 && y < innerHeight + 100;
    for (const row of drawn()) {
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

  // What submission.js adds on a submission's page.
  const submission = window.podiumSubmission?.({ $, t, length, say, PATIENCE });
  learn(document);
  let known = newsOf(document), last = '', reached = Date.now();
  const validators = new Map();

  /* The text at an address, or null where it is what it was. The question is asked here and not left to the browser's cache, which would
     hand over the old bytes again; and only about a file that is older than the whole seconds that servers count in: a younger one may
     have changed twice within the same. */
  async function get(url) {
    const answer = await fetch(url, { cache: 'no-store', headers: validators.get(url) ?? {}, signal: AbortSignal.timeout?.(PATIENCE) });
    // The Date header has whole seconds: less than two of difference may be nothing but that.
    const date = Date.parse(answer.headers.get('date')), ahead = date + 1000 * (answer.headers.get('age') ?? 0) - Date.now();
    skew = Math.abs(ahead) > 2000 ? ahead : 0;
    if (answer.status === 304) return null;
    if (!answer.ok) throw new Error(answer.status);
    const modified = answer.headers.get('last-modified'), tag = answer.headers.get('etag');
    validators.delete(url);
    if (date - Date.parse(modified) > 2000) validators.set(url, { 'If-Modified-Since': modified, ...tag && { 'If-None-Match': tag } });
    return answer.text();
  }

  async function refresh() {
    const text = await get(location.href.split('#')[0]);
    reached = Date.now();
    if (text === null || text === last) return;
    const next = new DOMParser().parseFromString(text, 'text/html');
    // The login page of a network, or an error page with status 200, is not this page.
    if (!$('main', next) || !$('foot', next)) throw new Error('not a page of Podium');
    last = text;
    const fresh = newsOf(next), was = rank();
    learn(next);
    dress(next);
    for (const state of ['open', 'soon', 'frozen', 'closed']) html.classList.toggle(state, next.documentElement.classList.contains(state));
    if (document.title !== next.title) say('say', document.title = next.title);
    keepingFocus(() => animating(() => {
      for (const id of ['top', 'main', 'foot']) morph($(id), $(id, next));
    }, known, fresh));
    known = fresh;
    refine();
    if (was && rank() && was !== rank()) say('found', t('moved', { from: was, to: rank() }));
  }

  /* The daemon's sign of life stands in queue.json, so that no page is rewritten only to show it. */
  let alive = NaN, queue = null;
  async function heartbeat() {
    queue = JSON.parse(await get(`${html.dataset.root}queue.json`)) ?? queue;
    alive = Date.parse(queue.alive_at);
  }

  /* The note under the header; left as it is while it says the same, since a screen reader reads each change. */
  let shown = '';
  function report() {
    const lost = Date.now() - reached > PATIENCE, silent = now() - alive > SILENCE;
    // Once the board is closed and the queue is empty, nobody misses the daemon.
    const queued = queue ? queue.running.length + queue.waiting.length : 0;
    const matters = html.classList.contains('open') || queued > 0, missed = silent && matters;
    const note = lost
      ? pieces('lost', { at: timeOf(reached, 'at') })
      : missed ? pieces('silent', { at: timeOf(alive, 'at') }) : queue?.held && matters && !$('held') ? pieces('held', { why: queue.held }) : [];
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
    submission?.place(queue);
    $('pulse').classList.toggle('silent', silent || lost);
    $('pulse').replaceChildren(...pieces('alive', { at: timeOf(alive, '') }));
  }

  let timer = 0, busy = false;
  async function poll() {
    if (busy) return;
    clearTimeout(timer);
    busy = true;
    await Promise.allSettled([refresh(), heartbeat()]);
    // After the page, which says whether more is to come.
    await submission?.follow().catch(() => {});
    busy = false;
    report();
    // Whoever waits for a result looks at the clock.
    timer = setTimeout(poll, document.hidden ? POLL_HIDDEN : document.querySelector('.steps .now') ? POLL_OWN : POLL);
  }

  refine();
  // Every second where seconds are read; ten thousand rows of "2 h ago" can wait longer.
  let second = 0;
  setInterval(() => {
    if (document.hidden) return;
    second += 1;
    for (const part of second % 15 && !document.querySelector('.steps .now') ? ['top', 'notes', 'running', 'verdict', 'foot'] : ['top', 'notes', 'main', 'foot']) {
      if ($(part)) spellAll($(part));
    }
  }, 1000);
  // "2 min ago" says nothing on paper.
  addEventListener('beforeprint', () => { for (const time of document.getElementsByTagName('time')) time.textContent = time.title; });
  if (location.protocol.startsWith('http')) {
    document.addEventListener('visibilitychange', () => { if (!document.hidden) poll(); });
    addEventListener('online', poll);
    poll();
  }
})();

/*
 * Compares two submissions. What is known of each lies in data/<number>.js, as a call: a page that is opened as a file may load a script,
 * and may not fetch.
 */
'use strict';

const podium = (() => {
  const NOISE = new Set(['file', 'log line', 'received', 'began', 'judged', 'took s', 'load', 'CPU s', 'wall s', 'memory MiB']);
  const $ = (id) => document.getElementById(id);
  const sheets = new Map();
  const missing = new Set();

  const make = (name, text, kind) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };

  /* Rows of [name, one, other]; undefined where a side says nothing. */
  function rows(one, other) {
    const [left, right] = [new Map(one), new Map(other)];
    const names = [...left.keys(), ...[...right.keys()].filter((name) => !left.has(name))];
    return names
      .filter((name) => $('noise').checked || !NOISE.has(name))
      .map((name) => [name, left.get(name), right.get(name)])
      .filter(([, a, b]) => $('same').checked || a !== b);
  }

  function table(title, found, heads) {
    const table = make('table', undefined, 'diff');
    table.append(make('caption', title));
    const head = table.createTHead().insertRow();
    for (const text of ['', ...heads]) {
      const cell = make('th', text);
      cell.scope = 'col';
      head.append(cell);
    }
    const body = table.createTBody();
    for (const [name, a, b] of found) {
      const row = body.insertRow();
      row.className = a === b ? '' : 'changed';
      const cell = make('th', name);
      cell.scope = 'row';
      row.append(cell, make('td', a ?? '–', 'said'), make('td', b ?? '–', 'said'));
    }
    return table;
  }

  const facts = (sheet, name) => {
    const entry = sheet.cases.find((entry) => entry.case === name);
    return entry ? [...entry.facts, ...entry.kept.map((kept) => [`end of ${kept.name}`, kept.tail.text])] : [];
  };

  function show(one, other) {
    const heads = [one, other].map((sheet) => `${sheet.submission} of ${sheet.user}`);
    const found = [];
    const whole = rows(one.facts, other.facts);
    if (whole.length) found.push(table('The submission', whole, heads));
    for (const name of new Set([...one.cases, ...other.cases].map((entry) => entry.case))) {
      const differing = rows(facts(one, name), facts(other, name));
      if (differing.length) found.push(table(`Case ${name}`, differing, heads));
    }
    $('found').replaceChildren(...found);
    $('say').textContent = found.length ? '' : 'Nothing differs.';
  }

  function load(number) {
    if (sheets.has(number) || missing.has(number)) return;
    const script = document.createElement('script');
    script.src = `data/${number}.js`;
    script.addEventListener('error', () => { missing.add(number); look(); });
    document.head.append(script);
  }

  function look() {
    const chosen = ['one', 'other'].map((id) => $(id).value.trim());
    const good = chosen.filter((number) => /^[1-9][0-9]{0,18}$/.test(number));
    for (const number of good) load(number);
    const lost = good.filter((number) => missing.has(number));
    $('found').replaceChildren();
    if (lost.length) $('say').textContent = `${lost.join(' and ')} has no page here: podium diff ${chosen.join(' ')}`;
    else if (good.length < 2) $('say').textContent = 'Choose two.';
    else if (good.every((number) => sheets.has(number))) show(...good.map((number) => sheets.get(number)));
    else $('say').textContent = 'Loading …';
  }

  function choose() {
    const [one, other] = location.hash.slice(1).split(',');
    $('one').value = one ?? '';
    $('other').value = other ?? '';
    look();
  }

  for (const id of ['one', 'other']) {
    $(id).addEventListener('change', () => {
      history.replaceState(null, '', `#${$('one').value.trim()},${$('other').value.trim()}`);
      look();
    });
  }
  for (const id of ['noise', 'same']) $(id).addEventListener('change', look);
  addEventListener('hashchange', choose);
  choose();
  return { sheet(sheet) { sheets.set(String(sheet.submission), sheet); look(); } };
})();

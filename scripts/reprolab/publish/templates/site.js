// Filters and search: the cases, the claims and the README sections that fit. Without them, the page shows everything.
(() => {
  const field = document.getElementById('search'), hits = document.getElementById('hits');
  const filters = Object.fromEntries(['server', 'kind', 'verdict'].map(name => [name, document.getElementById(name)]));
  const count = document.getElementById('count');
  const sections = JSON.parse(document.getElementById('sections').textContent)
    .map(section => ({ ...section, all: `${section.scenario} ${section.heading} ${section.text}`.toLowerCase() }));
  const cases = [...document.querySelectorAll('.card')].map(item => ({
    item, name: item.dataset.scenario, all: item.textContent.toLowerCase(),
    ...Object.fromEntries(Object.keys(filters).map(name => [name, item.dataset[name].split('|')])),
  }));
  const groups = [...document.querySelectorAll('section.case')].map(item => ({
    item, name: item.dataset.scenario,
    claims: [...item.querySelectorAll('.claims > li')].map(claim => ({
      item: claim, verdict: claim.dataset.verdict, all: `${claim.textContent} ${claim.dataset.also}`.toLowerCase(),
    })),
  }));
  const total = groups.reduce((sum, group) => sum + group.claims.length, 0);
  const MOST = 30, BEFORE = 60, BEHIND = 140;

  const excerpt = (text, words) => {
    const at = Math.max(0, Math.min(...words.map(word => text.toLowerCase().indexOf(word)).filter(n => n >= 0), text.length));
    const begin = Math.max(0, at - BEFORE);
    return (begin ? '… ' : '') + text.slice(begin, at + BEHIND) + (at + BEHIND < text.length ? ' …' : '');
  };
  const hit = (section, words) => {
    const item = document.createElement('li'), link = document.createElement('a'), text = document.createElement('div');
    link.href = section.href;
    link.textContent = `${section.scenario}: ${section.heading || 'the beginning'}`;
    text.className = 'soft small';
    text.textContent = excerpt(section.text, words);
    item.append(link, text);
    return item;
  };
  const fits = (one, name) => !filters[name].value || one[name].includes(filters[name].value);
  const update = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = all => words.every(word => all.includes(word));
    const open = new Set(cases.filter(one => fits(one, 'server') && fits(one, 'kind')).map(one => one.name));
    let claims = 0, shown = 0;
    const withClaim = new Set();
    for (const group of groups) {
      for (const claim of group.claims) {
        const verdict = filters.verdict.value;
        claim.item.hidden = !open.has(group.name) || !matches(claim.all) || (verdict !== '' && claim.verdict !== verdict);
        claims += !claim.item.hidden;
        if (!claim.item.hidden) withClaim.add(group.name);
      }
      group.item.hidden = !withClaim.has(group.name);
    }
    for (const one of cases) {
      const found = matches(one.all) || (words.length > 0 && withClaim.has(one.name));
      one.item.hidden = !open.has(one.name) || !fits(one, 'verdict') || !found;
      shown += !one.item.hidden;
    }
    const results = words.length ? sections.filter(section => open.has(section.scenario) && matches(section.all)) : [];
    hits.replaceChildren(...results.slice(0, MOST).map(section => hit(section, words)));
    document.getElementById('stories').hidden = !results.length;
    document.getElementById('cases').hidden = !shown;
    document.getElementById('claims').hidden = !claims;
    const rest = results.length - MOST;
    document.getElementById('more').textContent = rest > 0 ? `and ${rest} more sections` : '';
    const chosen = Object.entries(filters).filter(([, select]) => select.value).map(([name, select]) => [name, select.value]);
    count.textContent = words.length || chosen.length
      ? `${shown} of ${cases.length} cases, ${claims} of ${total} claims`
        + (words.length ? `, ${results.length} sections of the stories` : '') : '';
    const query = [...(field.value ? [['q', field.value]] : []), ...chosen];
    const hash = query.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
    history.replaceState(null, '', hash ? `#${hash}` : location.pathname);
  };
  // #q=words&server=...: an address that others can be given. Any other hash is the id of a claim.
  const read = () => {
    if (!location.hash.includes('=')) return;
    const query = new URLSearchParams(location.hash.slice(1));
    field.value = query.get('q') ?? '';
    for (const [name, select] of Object.entries(filters)) {
      const value = query.get(name) ?? '';
      select.value = [...select.options].some(option => option.value === value) ? value : '';
    }
    update();
  };
  field.addEventListener('input', update);
  for (const select of Object.values(filters)) select.addEventListener('change', update);
  window.addEventListener('hashchange', read);
  document.getElementById('form').hidden = false;
  read();
})();

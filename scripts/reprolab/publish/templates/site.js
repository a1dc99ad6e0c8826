// The search: every word must stand in a claim, or in a section of a story. Without it, all is there to read.
(() => {
  const field = document.getElementById('search'), verdict = document.getElementById('verdict');
  const told = document.getElementById('found'), hits = document.getElementById('hits');
  const sections = JSON.parse(document.getElementById('sections').textContent)
    .map(one => ({ ...one, all: `${one.case} ${one.heading} ${one.text}`.toLowerCase() }));
  const claims = [...document.querySelectorAll('.claims > li')]
    .map(item => ({ item, verdict: item.dataset.verdict, all: item.textContent.toLowerCase() + ' ' + item.dataset.also }));
  const groups = [...document.querySelectorAll('section.case')];
  const MOST = 30, BEFORE = 60, BEHIND = 140;

  const excerpt = (text, words) => {
    const at = Math.max(0, Math.min(...words.map(word => text.toLowerCase().indexOf(word)).filter(n => n >= 0), text.length));
    const begin = Math.max(0, at - BEFORE);
    return (begin ? '… ' : '') + text.slice(begin, at + BEHIND) + (at + BEHIND < text.length ? ' …' : '');
  };
  const hit = (one, words) => {
    const item = document.createElement('li'), link = document.createElement('a'), text = document.createElement('div');
    link.href = one.href;
    link.textContent = `${one.case}: ${one.heading || 'the beginning'}`;
    text.className = 'soft small';
    text.textContent = excerpt(one.text, words);
    item.append(link, text);
    return item;
  };
  const look = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const holds = all => words.every(word => all.includes(word));
    let shown = 0;
    for (const claim of claims) {
      claim.item.hidden = !holds(claim.all) || (verdict.value !== '' && claim.verdict !== verdict.value);
      shown += !claim.item.hidden;
    }
    for (const group of groups) group.hidden = !group.querySelector('.claims > li:not([hidden])');
    const found = words.length ? sections.filter(one => holds(one.all)) : [];
    hits.replaceChildren(...found.slice(0, MOST).map(one => hit(one, words)));
    document.getElementById('stories').hidden = !found.length;
    document.getElementById('more').textContent = found.length > MOST ? `and ${found.length - MOST} more sections` : '';
    told.textContent = words.length || verdict.value
      ? `${shown} of ${claims.length} claims` + (words.length ? `, ${found.length} sections of the stories` : '') : '';
    document.getElementById('cards').hidden = words.length > 0 || verdict.value !== '';
    const kept = field.value ? `#q=${encodeURIComponent(field.value)}` : ' ';
    history.replaceState(null, '', kept === ' ' ? location.pathname : kept);
  };
  const asked = /^#q=(.*)$/.exec(location.hash);
  if (asked) field.value = decodeURIComponent(asked[1]);
  field.addEventListener('input', look);
  verdict.addEventListener('change', look);
  document.getElementById('form').hidden = false;
  if (asked) look();
})();

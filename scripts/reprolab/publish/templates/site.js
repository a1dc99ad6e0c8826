// The search: shows the claims and the README sections that contain every word. Without it, the page shows all claims.
(() => {
  const field = document.getElementById('search'), verdict = document.getElementById('verdict');
  const count = document.getElementById('count'), hits = document.getElementById('hits');
  const sections = JSON.parse(document.getElementById('sections').textContent)
    .map(section => ({ ...section, all: `${section.scenario} ${section.heading} ${section.text}`.toLowerCase() }));
  const claims = [...document.querySelectorAll('.claims > li')]
    .map(item => ({ item, verdict: item.dataset.verdict, all: item.textContent.toLowerCase() + ' ' + item.dataset.also }));
  const groups = [...document.querySelectorAll('section.case')];
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
  const update = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const matches = all => words.every(word => all.includes(word));
    let shown = 0;
    for (const claim of claims) {
      claim.item.hidden = !matches(claim.all) || (verdict.value !== '' && claim.verdict !== verdict.value);
      shown += !claim.item.hidden;
    }
    for (const group of groups) group.hidden = !group.querySelector('.claims > li:not([hidden])');
    const results = words.length ? sections.filter(section => matches(section.all)) : [];
    hits.replaceChildren(...results.slice(0, MOST).map(section => hit(section, words)));
    document.getElementById('stories').hidden = !results.length;
    const rest = results.length - MOST;
    document.getElementById('more').textContent = rest > 0 ? `and ${rest} more sections` : '';
    count.textContent = words.length || verdict.value
      ? `${shown} of ${claims.length} claims` + (words.length ? `, ${results.length} sections of the stories` : '') : '';
    document.getElementById('cards').hidden = words.length > 0 || verdict.value !== '';
    history.replaceState(null, '', field.value ? `#q=${encodeURIComponent(field.value)}` : location.pathname);
  };
  const query = /^#q=(.*)$/.exec(location.hash);
  if (query) field.value = decodeURIComponent(query[1]);
  field.addEventListener('input', update);
  verdict.addEventListener('change', update);
  document.getElementById('form').hidden = false;
  if (query) update();
})();

/** How the report's page looks and what its few lines of script do. */

/** Light and dark as the reader's system asks, and a sheet for the printer. */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1f2933; --soft: #52606d; --faint: #616e7c; --rule: #d5dbe1; --hair: #e8ecf0; --tint: #f5f7f9; --link: #0b5cad; --warn: #b44d12;
}
@media screen and (prefers-color-scheme: dark) {
  :root { --page: #14181d; --ink: #f0f4f8; --soft: #cbd2d9; --faint: #9aa5b1; --rule: #3e4c59; --hair: #2b333c; --tint: #1b2027; --link: #7fbcff; --warn: #ffb27a; }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 76rem; padding: 3rem 1.5rem 4rem; background: var(--page); color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { margin: 0; font-size: 2.1rem; line-height: 1.2; letter-spacing: -0.015em; }
h2 { margin: 3rem 0 0.9rem; font-size: 1.3rem; line-height: 1.3; letter-spacing: -0.01em; }
h3 { margin: 1.6rem 0 0.5rem; font-size: 1rem; }
p { margin: 0.4rem 0; max-width: 46rem; }
a { color: var(--link); text-underline-offset: 0.15em; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.lead { color: var(--soft); }
.note { color: var(--faint); font-size: 0.9em; }
.notice { margin: 1.2rem 0 0; padding: 0.1rem 0 0.1rem 0.9rem; border-left: 3px solid var(--warn); }
nav { display: flex; flex-wrap: wrap; gap: 0.3rem 1.2rem; margin-top: 1.2rem; font-size: 0.95rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.95rem; font-variant-numeric: tabular-nums; border-top: 2px solid var(--ink); border-bottom: 2px solid var(--ink); }
th, td { padding: 0.32rem 0.9rem; text-align: right; white-space: nowrap; font-weight: 400; }
th:first-child, td:first-child { text-align: left; padding-left: 0.4rem; }
th:last-child, td:last-child { padding-right: 0.4rem; }
thead th { vertical-align: bottom; font-weight: 600; border-bottom: 1px solid var(--ink); }
tbody th { max-width: 24rem; overflow: hidden; text-overflow: ellipsis; }
thead th { min-width: 4.5rem; max-width: 13rem; white-space: normal; overflow-wrap: break-word; line-height: 1.3; }
tbody tr:hover, tbody tr:hover th { background: var(--tint); }
/* Of a table that is wider than the page, the names stay in sight. */
tbody th, thead th:first-child { position: sticky; left: 0; background: var(--page); }
tbody tr + tr > * { border-top: 1px solid var(--hair); }
td b { font-weight: 700; }
td u { text-underline-offset: 0.2em; text-decoration-thickness: 1px; }
td.none { color: var(--faint); }
thead button { all: unset; cursor: pointer; }
thead button:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
th[aria-sort="ascending"] button::after { content: " ↑"; }
th[aria-sort="descending"] button::after { content: " ↓"; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 34rem), 1fr)); gap: 1.5rem 1rem; align-items: start; }
figure { margin: 0; min-width: 0; }
figure svg { display: block; width: 100%; height: auto; max-width: 46rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 0.3rem 1.5rem; margin: 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
li { overflow-wrap: anywhere; }
details { margin: 1rem 0; }
summary { cursor: pointer; padding: 0.2rem 0; }
summary:hover { color: var(--link); }
footer { margin-top: 3.5rem; padding-top: 0.8rem; border-top: 1px solid var(--rule); color: var(--faint); font-size: 0.9rem; }
@media (max-width: 36rem) { dl { grid-template-columns: minmax(0, 1fr); gap: 0; } dd { margin-bottom: 0.6rem; } body { padding: 1.5rem 1rem; } }
@media print {
  @page { margin: 16mm 14mm; }
  body { max-width: none; padding: 0; font-size: 9.5pt; }
  h1 { font-size: 18pt; } h2 { margin-top: 1.6rem; break-after: avoid; } h3 { break-after: avoid; }
  nav, .screen { display: none; }
  .plots { grid-template-columns: 1fr 1fr; }
  figure, tr, .notice { break-inside: avoid; }
  .scroll { overflow: visible; }
  tbody th, thead th:first-child { position: static; }
  table { font-size: 8.5pt; } th, td { padding: 0.15rem 0.5rem; }
  thead { display: table-header-group; }
  a { color: inherit; text-decoration: none; }
  details::details-content { content-visibility: visible; height: auto; }
}
`

/**
 * Sorts the tables that ask for it by a click (or the keyboard) on a heading; the page is complete without it. Numbers are in data-v, so
 * that what is not there goes to the end either way.
 */
export const pageScript = `
for (const table of document.querySelectorAll('table.sortable')) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0]
  heads.forEach((head, column) => {
    const button = document.createElement('button')
    button.type = 'button'
    button.append(...head.childNodes)
    head.append(button)
    button.addEventListener('click', () => {
      const before = head.getAttribute('aria-sort')
      const sign = before === null ? (column === 0 ? 1 : -1) : before === 'ascending' ? -1 : 1
      const key = (row) => row.cells[column].dataset.v
      const rows = [...body.rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)]
        if (column === 0) return sign * a.cells[0].textContent.localeCompare(b.cells[0].textContent, 'en', { numeric: true })
        if (x === undefined || y === undefined) return (x === undefined) - (y === undefined)
        return sign * (x - y)
      })
      body.append(...rows)
      for (const other of heads) other.removeAttribute('aria-sort')
      head.setAttribute('aria-sort', sign === 1 ? 'ascending' : 'descending')
    })
  })
}
`

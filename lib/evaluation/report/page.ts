/** The report as one page of HTML that needs no network, and no script to be read. */
import { createHash } from 'node:crypto'
import { escape, plural } from '../../chart/svg.ts'
import { packageVersion } from '../../version.ts'
import type { Evaluation } from '../types.ts'
import type { Figure } from './figures.ts'
import { named } from './html-tables.ts'
import { pageScript, pageStyle } from './page-style.ts'
import { benchmarkTitle, namesOf, rankTrackers } from './ranking.ts'
import { overallTable, partTables, speedTable } from './score-tables.ts'

interface Section {
  id: string
  title: string
  /** '' leaves the section out. */
  html: string
}

/**
 * @param figures drawn into the page
 * @param files names of the files beside the page that it links to
 */
export function reportPage(evaluation: Evaluation, figures: readonly Figure[], files: readonly string[]): string {
  const title = `${benchmarkTitle(evaluation)} evaluation`
  const sections = sectionsOf(evaluation, figures).filter(({ html }) => html !== '')
  // Should a hostile name ever get past the escaping, the browser runs and loads nothing but what is ours.
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${createHash('sha256').update(pageScript).digest('base64')}'; base-uri 'none'; form-action 'none'`
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escape(title)}</title>`,
    `<style>${pageStyle}</style>`,
    '</head>',
    '<body>',
    '<header>',
    `<h1>${named(benchmarkTitle(evaluation))}</h1>`,
    `<p class="lead">${lead(evaluation)}</p>`,
    notice(evaluation),
    `<nav aria-label="Sections">${sections.map(({ id, title: name }) => `<a href="#${id}">${escape(name)}</a>`).join('')}</nav>`,
    '</header>',
    '<main>',
    ...sections.map(({ id, title: name, html }) => `<section id="${id}">\n<h2>${escape(name)}</h2>\n${html}\n</section>`),
    '</main>',
    `<footer><p class="screen">Files: ${files.map((file) => `<a href="${escape(file)}">${escape(file)}</a>`).join(', ')}</p><p>siamfcpp-native ${escape(packageVersion)}</p></footer>`,
    `<script>${pageScript}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n')
}

function sectionsOf(evaluation: Evaluation, figures: readonly Figure[]): Section[] {
  const several = evaluation.trackers.length > 1
  const legend = several ? `<p class="note">Best in bold${evaluation.trackers.length > 2 ? ', second best underlined' : ''}.</p>` : ''
  const plots = figures.map(({ svg }) => `<figure>${svg}</figure>`).join('\n')
  return [
    { id: 'overall', title: 'Overall', html: `${overallTable(evaluation)}\n${legend}` },
    { id: 'plots', title: 'Plots', html: plots === '' ? '' : `<div class="plots">\n${plots}\n</div>` },
    { id: 'speed', title: 'Speed', html: speedTable(evaluation) },
    { id: 'attributes', title: 'Attributes', html: partTables(evaluation, 'attributes') },
    { id: 'sequences', title: 'Sequences', html: partTables(evaluation, 'sequences') },
    { id: 'conventions', title: 'Conventions', html: conventions(evaluation) },
    { id: 'warnings', title: 'Warnings', html: list(evaluation.warnings) },
    { id: 'missing', title: 'Missing sequences', html: missing(evaluation) },
  ]
}

const protocols = { ope: 'one-pass evaluation', vot: 'restarts after failures', 'vot-lt': 'long-term, one pass with confidences' } as const

function lead({ trackers, protocol, compat }: Evaluation): string {
  const sequences = namesOf(trackers.map((one) => one.sequences), ({ sequence }) => sequence)
  const frames = new Map(trackers.flatMap((one) => one.sequences.map((part) => [part.sequence, part.frames] as const)))
  const total = [...frames.values()].reduce((a, b) => a + b, 0)
  return `${plural(trackers.length, 'tracker')} on ${plural(sequences.length, 'sequence')}, ${plural(total, 'frame')}; ${protocols[protocol]}, conventions of ${escape(compat)}`
}

/** What a reader should know before believing the numbers. */
function notice({ warnings, trackers }: Evaluation): string {
  const incomplete = trackers.filter(({ missing: names }) => names.length > 0).length
  const parts = [
    ...(warnings.length > 0 ? [`<a href="#warnings">${plural(warnings.length, 'warning')}</a>`] : []),
    ...(incomplete > 0 ? [`<a href="#missing">${incomplete === 1 ? '1 tracker lacks' : `${incomplete} trackers lack`} results of some sequences</a>`] : []),
  ]
  return parts.length === 0 ? '' : `<p class="notice">${parts.join('; ')}</p>`
}

function conventions(evaluation: Evaluation): string {
  const said = Object.entries(evaluation.conventions).map(([what, which]) => `<dt>${named(what)}</dt><dd>${named(which)}</dd>`)
  const sources = rankTrackers(evaluation).map(({ tracker }) => `<dt>results of ${named(tracker.tracker)}</dt><dd>${named(tracker.source)}</dd>`)
  return `<dl>\n${[...said, ...sources].join('\n')}\n</dl>`
}

function missing(evaluation: Evaluation): string {
  return rankTrackers(evaluation)
    .filter(({ tracker }) => tracker.missing.length > 0)
    .map(({ tracker }) => `<h3>${named(tracker.tracker)} <span class="note">${plural(tracker.missing.length, 'sequence')}</span></h3>\n<p>${tracker.missing.map(named).join(', ')}</p>`)
    .join('\n')
}

function list(items: readonly string[]): string {
  return items.length === 0 ? '' : `<ul>\n${items.map((item) => `<li>${named(item)}</li>`).join('\n')}\n</ul>`
}

/**
 * Who may ask. The server listens on the loopback interface only, but every page that the user's browser shows can send requests there:
 * these checks keep such pages from reading frames (DNS rebinding: a foreign name that resolves to 127.0.0.1) and from starting work.
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { HttpProblem } from './http-problem.ts'

/** Names that lead to the loopback interface. */
const names: ReadonlySet<string> = new Set(['127.0.0.1', 'localhost', '[::1]'])

/** @returns whether the Host header names this server: a loopback name and its port */
function isOurHost(host: string | undefined, port: number): boolean {
  const parts = /^(.+?)(?::(\d+))?$/.exec(host ?? '')
  return parts !== null && names.has((parts[1] as string).toLowerCase()) && Number(parts[2] ?? 80) === port
}

/** @returns whether an Origin header names this server as `host` does, so that a page on another port of this machine is a stranger */
function isOwnOrigin(origin: string, host: string): boolean {
  return origin.toLowerCase() === `http://${host.toLowerCase()}`
}

/**
 * @param writes for requests that change something: these must name their origin, as browsers do
 * @throws HttpProblem 403
 */
export function checkCaller({ host, origin, 'sec-fetch-site': site }: IncomingHttpHeaders, port: number, writes: boolean): void {
  if (!isOurHost(host, port)) throw new HttpProblem(403, 'ERR_ARGUMENT', `This server answers to 127.0.0.1:${port} and localhost:${port} only`, 'open the address that siamtrain demo printed')
  const stranger = new HttpProblem(403, 'ERR_ARGUMENT', 'This request comes from another page', 'open the address that siamtrain demo printed')
  if (origin !== undefined && !isOwnOrigin(origin, host as string)) throw stranger
  if (writes && origin === undefined) throw stranger
  // A picture or script that another page embeds has no Origin header, but newer browsers say where it comes from.
  if (typeof site === 'string' && site !== 'same-origin' && site !== 'none') throw stranger
}

/** Headers of every answer: nothing from elsewhere runs on the page, and no other page shows or embeds it. */
export function safetyHeaders(request: IncomingMessage): Record<string, string> {
  // Some browsers do not count web sockets to 'self'. The header's form was checked before it is used here.
  const socket = /^[\w.:[\]-]+$/.test(request.headers.host ?? '') ? ` ws://${request.headers.host}` : ''
  return {
    'Content-Security-Policy': `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'${socket}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
  }
}

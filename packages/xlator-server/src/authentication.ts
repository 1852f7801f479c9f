import { isIPv4Network, fnmatch } from '@glusterts/libglusterfs';

type Vote = 'accept' | 'reject' | 'dont-care';

export interface AuthRequest {
  readonly brick: string;
  /** Numeric address of the peer, without its port. */
  readonly address: string;
  readonly port: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** From the certificate, with TLS. */
  readonly sslName: string | undefined;
  /** `/` for a plain mount. */
  readonly subdir: string;
}

export type AuthOptions = ReadonlyMap<string, string>;

/** Any REJECT refuses; else one ACCEPT is enough; nobody caring refuses (spec/brick.md, §11.3). */
export function authenticate(options: AuthOptions, request: AuthRequest, settings: { readonly strict: boolean; readonly allowInsecure: boolean }): boolean {
  const votes = [voteByAddress(options, request, settings.allowInsecure), voteByLogin(options, request, settings.strict)];
  return !votes.includes('reject') && votes.includes('accept');
}

/** Whether the user name and password are right: then the client is trusted. */
export function isTrusted(options: AuthOptions, request: AuthRequest): boolean {
  const { username, password } = request;
  return username !== undefined && password !== undefined && listedUsers(options, request.brick).includes(username) && options.get(`auth.login.${username}.password`) === password;
}

function listedUsers(options: AuthOptions, brick: string): string[] {
  return (options.get(`auth.login.${brick}.allow`) ?? '').split(/[\s,]+/).filter((name) => name !== '');
}

function voteByLogin(options: AuthOptions, request: AuthRequest, strict: boolean): Vote {
  if (request.sslName !== undefined) {
    const allowed = (options.get(`auth.login.${request.brick}.ssl-allow`) ?? '').split(/[\s,]+/).filter((name) => name !== '');
    const name = request.sslName;
    return allowed.some((pattern) => fnmatch(pattern, name)) ? 'accept' : 'reject';
  }
  const { username, password } = request;
  if (username === undefined || password === undefined) return strict ? 'reject' : 'dont-care';
  if (!listedUsers(options, request.brick).includes(username)) return strict ? 'reject' : 'dont-care';
  return options.get(`auth.login.${username}.password`) === password ? 'accept' : 'reject';
}

function voteByAddress(options: AuthOptions, request: AuthRequest, allowInsecure: boolean): Vote {
  const list = (what: string): string | undefined => options.get(`auth.addr.${request.brick}.${what}`) ?? options.get(`auth.ip.${request.brick}.${what}`);
  const allow = list('allow');
  const reject = list('reject');
  if (allow === undefined && reject === undefined) return 'dont-care';
  if (!allowInsecure && request.port >= 1024) return 'reject';
  if (reject !== undefined && matchesList(reject, request) === true) return 'reject';
  if (allow === undefined) return 'dont-care';
  const matched = matchesList(allow, request);
  if (matched === 'no-entry') return 'reject';
  return matched ? 'accept' : 'dont-care';
}

/** A list of patterns; one with sub-directories has only the entry of the mounted one, `'no-entry'` when that is missing. */
function matchesList(list: string, request: AuthRequest): boolean | 'no-entry' {
  if (!list.startsWith('/') && !list.includes('(')) return matchesPatterns(list.split(','), request.address);
  for (const match of list.matchAll(/(\/[^(,]*)\(([^)]*)\)/g)) {
    if (match[1] === request.subdir) return matchesPatterns((match[2] ?? '').split('|'), request.address);
  }
  return 'no-entry';
}

function matchesPatterns(patterns: readonly string[], address: string): boolean {
  let negated = false;
  for (let pattern of patterns) {
    pattern = pattern.trim();
    if (pattern.startsWith('!')) {
      negated = true;
      pattern = pattern.slice(1);
    }
    if (pattern === '') continue;
    const matches = pattern.includes('/') ? isIPv4Network(pattern, address) : pattern === address || (pattern === 'localhost' && /^(127\.|::1$)/.test(address)) || fnmatch(pattern, address);
    if (matches) return !negated;
  }
  return false;
}

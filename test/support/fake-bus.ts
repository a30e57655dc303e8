import type { AccessWidth, IoHandler, MmioBus, Registration } from '../../src/emulator/interfaces/bus.ts';

interface Claim {
  readonly owner: string;
  readonly base: number;
  readonly length: number;
  readonly handler: IoHandler | undefined;
}

/** An address space that remembers who claimed what. Unclaimed addresses read all ones. */
export class FakeBus implements MmioBus {
  readonly claims: Claim[] = [];

  claim(owner: string, base: number, length: number, handler: IoHandler): Registration {
    const other = this.claims.find((claim) => claim.handler !== undefined && base < claim.base + claim.length && claim.base < base + length);
    if (other !== undefined) throw new Error(`${owner} overlaps ${other.owner}`);
    return this.#add({ owner, base, length, handler });
  }

  mapDirect(owner: string, base: number, length: number, _memoryOffset: number, _access: 'read-write' | 'read-only'): Registration {
    if (base % 4096 !== 0 || length % 4096 !== 0) throw new Error(`${owner} doesn't map whole pages`);
    return this.#add({ owner, base, length, handler: undefined });
  }

  /** `owner@base` of every claim, in hexadecimal. */
  get map(): string[] {
    return this.claims.map(({ owner, base }) => `${owner}@${base.toString(16)}`);
  }

  read(address: number, width: AccessWidth): number {
    const claim = this.#find(address);
    return claim?.handler?.read(address - claim.base, width) ?? 2 ** (8 * width) - 1;
  }

  write(address: number, width: AccessWidth, value: number): void {
    const claim = this.#find(address);
    claim?.handler?.write(address - claim.base, width, value);
  }

  #find(address: number): Claim | undefined {
    return this.claims.find(({ base, length }) => address >= base && address < base + length);
  }

  #add(claim: Claim): Registration {
    this.claims.push(claim);
    return { dispose: () => { if (this.claims.includes(claim)) this.claims.splice(this.claims.indexOf(claim), 1); } };
  }
}

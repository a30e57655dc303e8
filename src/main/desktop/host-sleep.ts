/** When the host sleeps, time must stand still for guests; what a person paused stays paused when it wakes. */
import type { AppCore } from '../app-core.ts';

export class HostSleep {
  readonly #core: Pick<AppCore, 'client'>;
  #paused: readonly string[] = [];

  constructor(core: Pick<AppCore, 'client'>) {
    this.#core = core;
  }

  async suspended(): Promise<void> {
    const listed = await this.#core.client.library.list({});
    if (!listed.ok) return;
    const running = listed.value.entries.filter(({ status }) => status.state === 'running').map(({ name }) => name);
    const answers = await Promise.all(running.map(async (name) => ({ name, paused: await this.#core.client.machines.pause({ name }) })));
    this.#paused = [...new Set([...this.#paused, ...answers.filter(({ paused }) => paused.ok).map(({ name }) => name)])];
  }

  async resumed(): Promise<void> {
    const names = this.#paused;
    this.#paused = [];
    await Promise.all(names.map((name) => this.#core.client.machines.resume({ name })));
  }
}

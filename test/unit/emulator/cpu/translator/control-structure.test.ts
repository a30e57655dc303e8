import { describe, expect, it } from 'vitest';
import { structure, type FlowGraph, type Jump, type Step } from '../../../../../src/emulator/cpu/translator/control-structure.ts';
import * as ex from '../../../../../src/emulator/wasm/expression.ts';
import type { Expr } from '../../../../../src/emulator/wasm/expression.ts';
import { FunctionBody, type Label } from '../../../../../src/emulator/wasm/function-body.ts';
import { ModuleBuilder } from '../../../../../src/emulator/wasm/module-builder.ts';
import { SeededRandom } from '../../../../support/seeded-random.ts';

const RANDOM_GRAPHS = 20_000;

/** Which successor a node takes; undefined ends the walk. */
type Decide = (node: number, successors: number) => number | undefined;

function walkGraph(graph: FlowGraph, entry: number, decide: Decide): void {
  let node = graph.entries[entry]!;
  for (;;) {
    const successors = graph.successors[node]!;
    const choice = decide(node, successors.length);
    if (choice === undefined || successors.length === 0) return;
    node = successors[choice]!;
  }
}

/** Runs steps as WebAssembly would; `selector` as the function finds it. */
function walkSteps(steps: readonly Step[], selector: number | undefined, decide: Decide): void {
  const leave = Symbol();
  type Way = number | typeof leave | undefined;
  const take = (jump: Jump | undefined): Way => {
    if (!jump) throw new Error('no such jump');
    if (selector !== undefined) throw new Error('the selector was set, and no dispatch came');
    selector = jump.select;
    return jump.label;
  };
  const runOne = (step: Step): Way => {
    switch (step.kind) {
      case 'block': {
        const way = run(step.body);
        return way === step.label ? undefined : way;
      }
      case 'loop':
        for (;;) {
          const way = run(step.body);
          if (way !== step.label) return way;
        }
      case 'node': {
        if (selector !== undefined) throw new Error('the selector was set for a node');
        const choice = decide(step.node, step.jumps.length);
        return choice === undefined || step.jumps.length === 0 ? leave : take(step.jumps[choice]);
      }
      case 'dispatch': {
        if (selector === undefined) throw new Error('the selector was not set');
        const chosen = step.cases[selector];
        selector = undefined;
        return take(chosen);
      }
    }
  };
  const run = (body: readonly Step[]): Way => {
    for (const step of body) {
      const way = runOne(step);
      if (way !== undefined) return way;
    }
    return undefined;
  };
  if (run(steps) !== leave) throw new Error('fell out of the function, or branched to a label that is not around');
}

const beginsWithDispatch = (step: Step): boolean => step.kind === 'dispatch' || (step.kind === 'block' && beginsWithDispatch(step.body[0]!));

/** Takes the same decisions each time, `limit` of them, and notes where it is asked. */
function decisions(seed: number, limit: number): { readonly decide: Decide; readonly visited: number[] } {
  const random = new SeededRandom(seed);
  const visited: number[] = [];
  const decide: Decide = (node, successors) => {
    visited.push(node);
    return visited.length < limit ? random.below(Math.max(successors, 1)) : undefined;
  };
  return { decide, visited };
}

function reachableNodes(graph: FlowGraph): Set<number> {
  const reached = new Set(graph.entries);
  for (const node of reached) for (const successor of graph.successors[node]!) reached.add(successor);
  return reached;
}

/** What holds of any structure, whatever way is taken through it. */
function checkForm(graph: FlowGraph, steps: readonly Step[]): void {
  const labels = new Set<number>();
  const written: number[] = [];
  const check = (body: readonly Step[], around: ReadonlySet<number>): void => {
    for (const step of body) {
      if (step.kind === 'block' || step.kind === 'loop') {
        if (labels.has(step.label)) throw new Error('two have the same label');
        labels.add(step.label);
        check(step.body, new Set([...around, step.label]));
        continue;
      }
      const jumps = step.kind === 'node' ? step.jumps : step.cases;
      for (const [index, { label }] of jumps.entries()) {
        if (label !== undefined && !around.has(label)) throw new Error('branches to what is not around it');
        if (label === undefined && (step.kind === 'dispatch' || index < jumps.length - 1)) throw new Error('falls through before its last jump');
      }
      if (step.kind !== 'node') continue;
      written.push(step.node);
      if (jumps.length !== graph.successors[step.node]!.length) throw new Error('a node has other jumps than successors');
    }
  };
  check(steps, new Set());
  const wanted = [...reachableNodes(graph)].sort((a, b) => a - b);
  expect(written.sort((a, b) => a - b)).toEqual(wanted);
  if (graph.entries.length > 1) expect(beginsWithDispatch(steps[0]!)).toBe(true);
}

function checkWalks(graph: FlowGraph, steps: readonly Step[], seed: number, walks: number, length: number): void {
  for (let walk = 0; walk < walks; walk++) {
    for (const entry of graph.entries.keys()) {
      const inGraph = decisions(seed + walk, length);
      const inSteps = decisions(seed + walk, length);
      walkGraph(graph, entry, inGraph.decide);
      walkSteps(steps, graph.entries.length > 1 ? entry : undefined, inSteps.decide);
      if (inGraph.visited.join() !== inSteps.visited.join()) {
        throw new Error(`${JSON.stringify(graph)} from entry ${entry}: ${inSteps.visited.join()} instead of ${inGraph.visited.join()}`);
      }
    }
  }
}

function checked(graph: FlowGraph): readonly Step[] {
  const steps = structure(graph);
  checkForm(graph, steps);
  checkWalks(graph, steps, 1, 20, 40);
  return steps;
}

/** Steps in one line: `a{…}` a block, `a*{…}` a loop, `3(a,·)` node 3 with its jumps, `a=1` with the selector set, `?(…)` a dispatch. */
function text(steps: readonly Step[]): string {
  const names = new Map<number, string>();
  const name = (label: number): string => {
    const known = names.get(label) ?? String.fromCharCode(97 + names.size);
    names.set(label, known);
    return known;
  };
  const jumps = (all: readonly Jump[]): string =>
    all.map(({ label, select }) => (label === undefined ? '·' : name(label)) + (select === undefined ? '' : `=${select}`)).join();
  const one = (step: Step): string => {
    switch (step.kind) {
      case 'block': return `${name(step.label)}{${list(step.body)}}`;
      case 'loop': return `${name(step.label)}*{${list(step.body)}}`;
      case 'node': return `${step.node}(${jumps(step.jumps)})`;
      case 'dispatch': return `?(${jumps(step.cases)})`;
    }
  };
  const list = (all: readonly Step[]): string => all.map(one).join(' ');
  return list(steps);
}

const textOf = (successors: readonly (readonly number[])[], entries: readonly number[] = [0]): string => text(checked({ successors, entries }));

describe('the structure of a graph that has one already', () => {
  it('is a sequence for a straight line', () => {
    expect(textOf([[1], [2], []])).toBe('0(·) 1(·) 2()');
  });

  it('is one block for an if without else', () => {
    expect(textOf([[2, 1], [2], []])).toBe('a{0(a,·) 1(·)} 2()');
  });

  it('is two blocks for a diamond', () => {
    expect(textOf([[1, 2], [3], [3], []])).toBe('a{b{0(b,·) 2(a)} 1(·)} 3()');
  });

  it('is a loop whose exit lies behind it for a while loop', () => {
    expect(textOf([[1], [3, 2], [1], []])).toBe('0(·) a{b*{1(a,·) 2(b)}} 3()');
  });

  it('is a loop without blocks for a loop that tests at its end', () => {
    expect(textOf([[1], [2], [1, 3], []])).toBe('0(·) a*{1(·) 2(a,·)} 3()');
  });

  it('has a loop in a loop for nested loops', () => {
    expect(textOf([[1], [2], [2, 3], [1, 4], []])).toBe('0(·) a*{1(·) b*{2(b,·)} 3(a,·)} 4()');
  });

  it('has loops that follow each other one behind the other', () => {
    expect(textOf([[0, 1], [1, 2], [2, 3], []])).toBe('a*{0(a,·)} b*{1(b,·)} c*{2(c,·)} 3()');
  });

  it('has one loop for two back edges to the same node', () => {
    expect(textOf([[1], [2, 3], [1], [1, 4], []])).toBe('0(·) a{b*{c{1(c,·) 3(b,a)} 2(b)}} 4()');
  });

  it('leaves two loops at once by one branch', () => {
    expect(textOf([[1], [3, 2], [1, 0], []])).toBe('a{b*{0(·) c*{1(a,·) 2(c,b)}}} 3()');
  });

  it('is a loop for a node that follows itself', () => {
    expect(textOf([[0]])).toBe('a*{0(a)}');
    expect(textOf([[0, 1], []])).toBe('a*{0(a,·)} 1()');
  });

  it('lets the last of two jumps to the same node fall through, and gives the other a label', () => {
    expect(textOf([[1, 1], []])).toBe('a{0(a,·)} 1()');
    expect(textOf([[0, 1, 0, 1], []])).toBe('a{b*{0(b,a,b,·)}} 1()');
  });

  it('has a block for each place that a jump table goes to', () => {
    expect(textOf([[1, 2, 3, 1], [3], [3], []])).toMatch(/^a\{b\{c\{0\([abc],[abc],[abc],[abc]\)\} /);
  });

  it('has no nodes that no entry reaches', () => {
    expect(textOf([[3], [2, 3], [1], []])).toBe('0(·) 3()');
    expect(textOf([[1], [0], [0, 2]], [2])).toBe('a{b*{2(a,b)}} c*{0(·) 1(c)}');
  });

  it('is nothing without entries', () => {
    expect(structure({ successors: [[0]], entries: [] })).toEqual([]);
  });

  it('refuses nodes that are not there', () => {
    expect(() => structure({ successors: [[1]], entries: [0] })).toThrow('no node 1');
    expect(() => structure({ successors: [[0]], entries: [1] })).toThrow('no node 1');
  });
});

describe('the structure of a graph that has none', () => {
  it('has a dispatcher for a loop with two ways in, and one of the two edges inside avoids it', () => {
    expect(textOf([[1, 2], [2], [1]])).toBe('a{0(a=0,·=1)} b*{c{d{?(d,c)} 1(·)} 2(b=0)}');
  });

  it('begins with a dispatch for several entries', () => {
    expect(textOf([[2], [2], []], [0, 1])).toBe('a{b{c{?(b,c)} 1(a)} 0(·)} 2()');
    expect(textOf([[], []], [1, 0, 1])).toBe('a{b{?(a,b,a)} 0()} 1()');
  });

  it('dispatches once in each turn of a loop that is entered in its middle', () => {
    expect(textOf([[1], [2], [0, 3], []], [0, 2])).toBe('a{?(a=0,a=1)} b*{c{d{?(d,c)} 0(·) 1(·)} 2(b=0,·)} 3()');
  });

  it('leaves an inner loop alone when only the outer one is entered in its middle', () => {
    expect(textOf([[1], [1, 2], [0, 3], []], [0, 2])).toBe('a{?(a=0,a=1)} b*{c{d{?(d,c)} 0(·) e*{1(e,·)}} 2(b=0,·)} 3()');
  });

  it('leaves the loop of an entry alone when it is not entered elsewhere', () => {
    expect(textOf([[0, 1], [1, 0]], [0, 1])).toBe('a{?(a=0,a=1)} b*{c{d{?(d,c)} e*{0(e,·)}} f*{1(f,b=0)}}');
  });

  it('dispatches again where a loop with several ways in is left for another', () => {
    expect(textOf([[1, 2], [2], [1, 3, 4], [4], [3]])).toBe('a{0(a=0,·=1)} b{c*{d{e{?(e,d)} 1(·)} 2(c=0,b=0,·=1)}} f*{g{h{?(h,g)} 3(·)} 4(f=0)}');
  });
});

function randomGraph(random: SeededRandom, nodes: number): FlowGraph {
  const near = random.below(2) === 0 ? nodes : 1 + random.below(6);
  const branchiness = random.below(4);
  const successors = Array.from({ length: nodes }, (_, node) => {
    const isLeaf = random.below(nodes + 3) < 2;
    const count = isLeaf ? 0 : random.below(12) === 0 ? 1 + random.below(5) : 1 + (random.below(4) < branchiness ? 1 : 0);
    return Array.from({ length: count }, () => (node + 1 + (random.below(3) === 0 ? random.below(2 * near) - near : 0) + nodes * 3) % nodes);
  });
  const entries = Array.from({ length: random.below(2) === 0 ? 1 : 1 + random.below(4) }, () => random.below(nodes));
  return { successors, entries };
}

/** By T1 and T2 of Hecht and Ullman: drop edges to oneself, merge nodes into their only predecessor, until one is left. */
function isReducible(graph: FlowGraph): boolean {
  const [root] = graph.entries;
  const edges = new Map([...reachableNodes(graph)].map((node) => [node, new Set(graph.successors[node])]));
  for (;;) {
    for (const [node, targets] of edges) targets.delete(node);
    const merged = [...edges.keys()].find((node) => node !== root && [...edges.values()].filter((targets) => targets.has(node)).length === 1);
    if (merged === undefined) return edges.size === 1;
    const into = [...edges.values()].find((targets) => targets.has(merged))!;
    for (const target of edges.get(merged)!) into.add(target);
    into.delete(merged);
    edges.delete(merged);
  }
}

const hasDispatch = (steps: readonly Step[]): boolean => JSON.stringify(steps).includes('"dispatch"');

describe('any structure', () => {
  it('is walked as the graph is, for every graph of three nodes with up to two successors each', () => {
    const choices: number[][] = [[]];
    for (let a = 0; a < 3; a++) choices.push([a], [a, 0], [a, 1], [a, 2]);
    for (const entries of [[0], [0, 1], [2, 1, 0], [1, 1]]) {
      for (const first of choices) {
        for (const second of choices) {
          for (const third of choices) {
            const graph: FlowGraph = { successors: [first, second, third], entries };
            const steps = structure(graph);
            checkForm(graph, steps);
            checkWalks(graph, steps, 1, 4, 12);
          }
        }
      }
    }
  });

  it('is walked as the graph is, for thousands of random graphs', () => {
    let irreducible = 0;
    for (let seed = 0; seed < RANDOM_GRAPHS; seed++) {
      const random = new SeededRandom(seed);
      const graph = randomGraph(random, 1 + random.below(40));
      const steps = structure(graph);
      checkForm(graph, steps);
      checkWalks(graph, steps, seed, 6, 120);
      if (graph.entries.length === 1) {
        expect(hasDispatch(steps), JSON.stringify(graph)).toBe(!isReducible(graph));
        if (hasDispatch(steps)) irreducible++;
      }
    }
    expect(irreducible).toBeGreaterThan(RANDOM_GRAPHS / 20);
  });

  it('is walked as the graph is, for large graphs', () => {
    for (let seed = 0; seed < 20; seed++) {
      const random = new SeededRandom(seed);
      const { successors } = randomGraph(random, 500);
      const graph: FlowGraph = { successors, entries: Array.from({ length: 10 }, () => random.below(500)) };
      const steps = structure(graph);
      checkForm(graph, steps);
      checkWalks(graph, steps, seed, 3, 2000);
    }
  });

  it('has room for long code, straight or full of branches', () => {
    const length = 20_000;
    const straight = Array.from({ length }, (_, node) => (node + 1 < length ? [node + 1] : []));
    expect(structure({ successors: straight, entries: [0] })).toHaveLength(length);
    const skipping = Array.from({ length }, (_, node) => [node + 2, node + 1].filter((successor) => successor < length));
    expect(structure({ successors: skipping, entries: [0] }).length).toBeGreaterThan(0);
    // Everything is a place to which the first node jumps: blocks in blocks, 2,000 deep.
    const table = Array.from({ length: 2000 }, (_, node) => (node === 0 ? Array.from({ length: 1999 }, (__, index) => index + 1) : [(node + 1) % 2000]));
    checkForm({ successors: table, entries: [0] }, structure({ successors: table, entries: [0] }));
  });

  it('is what V8 accepts and runs', () => {
    for (let seed = 0; seed < 300; seed++) {
      const random = new SeededRandom(seed);
      const graph = randomGraph(random, 1 + random.below(40));
      let decide: Decide = () => undefined;
      const run = compile(graph, (node) => decide(node, graph.successors[node]!.length) ?? -1);
      for (const entry of graph.entries.keys()) {
        const inGraph = decisions(seed, 200);
        const inSteps = decisions(seed, 200);
        walkGraph(graph, entry, inGraph.decide);
        decide = inSteps.decide;
        run(entry);
        expect(inSteps.visited, JSON.stringify(graph)).toEqual(inGraph.visited);
      }
    }
  });
});

/** The graph as a function of the index of the entry. `choose` says which successor a node takes, or -1 to return. */
function compile(graph: FlowGraph, choose: (node: number) => number): (entry: number) => void {
  const module = new ModuleBuilder();
  const chooseFunction = module.importFunction('env', 'choose', ['i32'], ['i32']);
  const index = module.declare(['i32'], []);
  const body = new FunctionBody(['i32']);
  const selector = body.parameter(0);
  const choice = body.newLocal('i32');
  const labels = new Map<number, Label>();
  const branch = ({ label, select }: Jump): void => {
    if (select !== undefined) body.set(selector, ex.i32(select));
    if (label !== undefined) body.br(labels.get(label)!);
  };
  const branchIf = (condition: Expr, jump: Jump): void => {
    if (jump.select === undefined) body.brIf(labels.get(jump.label!)!, condition);
    else body.if(condition, () => branch(jump));
  };
  const write = (step: Step): void => {
    switch (step.kind) {
      case 'block':
      case 'loop':
        body[step.kind]((label) => {
          labels.set(step.label, label);
          step.body.forEach(write);
        });
        break;
      case 'node': {
        body.set(choice, ex.call(chooseFunction, 'i32', ex.i32(step.node)));
        body.if(ex.ltS(choice, ex.i32(0)), () => body.return());
        const last = step.jumps.at(-1);
        for (const [number, jump] of step.jumps.slice(0, -1).entries()) branchIf(ex.eq(choice, ex.i32(number)), jump);
        if (last) branch(last);
        else body.return();
        break;
      }
      case 'dispatch':
        if (step.cases.every(({ select }) => select === undefined)) {
          const targets = step.cases.map(({ label }) => labels.get(label!)!);
          body.brTable(targets.slice(0, -1), targets.at(-1)!, selector);
        } else {
          body.set(choice, selector);
          for (const [number, jump] of step.cases.entries()) branchIf(ex.eq(choice, ex.i32(number)), jump);
          body.unreachable();
        }
        break;
    }
  };
  structure(graph).forEach(write);
  body.unreachable();
  module.define(index, body);
  module.export('run', index);
  const instance = new WebAssembly.Instance(new WebAssembly.Module(module.encode()), { env: { choose } });
  return instance.exports['run'] as unknown as (entry: number) => void;
}

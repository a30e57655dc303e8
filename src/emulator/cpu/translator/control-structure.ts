/**
 * Any control-flow graph as WebAssembly's nested blocks and loops. First the graph is made reducible: a loop that can be
 * entered in several places gets a dispatcher in front, which goes by a selector. Then the dominator tree is written out
 * in reverse postorder (Norman Ramsey, "Beyond Relooper", ICFP 2022).
 */

/**
 * Nodes are 0 … successors.length - 1. Successor lists are in the order in which the caller's terminators name them; the
 * same node may occur twice. Entries are where control comes in from outside, by index.
 */
export interface FlowGraph {
  readonly successors: readonly (readonly number[])[];
  readonly entries: readonly number[];
}

/**
 * How an edge is taken: first set the selector to `select` (if given), then branch to `label`, or fall through to what
 * comes next when undefined. Only the last jump of a node falls through.
 */
export interface Jump {
  readonly label: number | undefined;
  readonly select: number | undefined;
}

/** No two blocks or loops of a function have the same label. */
export type Step =
  /** Branching to `label` goes behind it. */
  | { readonly kind: 'block'; readonly label: number; readonly body: readonly Step[] }
  /** Branching to `label` repeats it; what reaches the end of the body goes on behind it. */
  | { readonly kind: 'loop'; readonly label: number; readonly body: readonly Step[] }
  /** Code of a node, then one jump per successor, in order. Without successors it leaves the function. */
  | { readonly kind: 'node'; readonly node: number; readonly jumps: readonly Jump[] }
  /** Goes by the selector, to case i when it is i. Every case has a label, so that a `br_table` can name them. */
  | { readonly kind: 'dispatch'; readonly cases: readonly Jump[] };

/**
 * With several entries the function begins with a dispatch whose case i goes to `entries[i]`: the selector holds the
 * index of the entry at the start. Nodes that no entry reaches are dropped.
 */
export function structure(graph: FlowGraph): readonly Step[] {
  const nodes = graph.successors.map((_, node) => newVertex(node, node));
  const vertexOf = (node: number): Vertex => {
    const vertex = nodes[node];
    if (!vertex) throw new Error(`no node ${node}`);
    return vertex;
  };
  for (const [node, successors] of graph.successors.entries()) connect(vertexOf(node), successors.map(vertexOf));
  const entries = graph.entries.map(vertexOf);
  if (!entries[0]) return [];
  let root = entries[0];
  if (entries.length > 1) {
    root = newVertex(nodes.length, undefined);
    connect(root, entries);
  }
  makeReducible(root, nodes.length + 1);
  const order = reversePostorder(root);
  findDominators(order);
  place(order);
  return write(root);
}

interface Edge {
  target: Vertex;
  select: number | undefined;
}

interface Loop {
  readonly header: Vertex;
  readonly outer: Loop | undefined;
}

/** One of the caller's nodes, or a dispatcher (`node` undefined). */
interface Vertex {
  readonly id: number;
  readonly node: number | undefined;
  readonly edges: Edge[];
  /** The innermost loop that it is in; a header is in its own. */
  loop: Loop | undefined;
  /** Place in reverse postorder. In a reducible graph an edge is a back edge, to a loop's header, unless it leads upwards. */
  order: number;
  dominator: Vertex | undefined;
  /** What is written behind its code, and, where it heads a loop, behind that loop; in order. */
  readonly following: Vertex[];
  readonly followingLoop: Vertex[];
}

function newVertex(id: number, node: number | undefined): Vertex {
  return { id, node, edges: [], loop: undefined, order: 0, dominator: undefined, following: [], followingLoop: [] };
}

function connect(source: Vertex, targets: readonly Vertex[]): void {
  for (const target of targets) source.edges.push({ target, select: undefined });
}

/**
 * Finds the loops, outermost first: strongly connected components, then those of the same component without its header.
 * One that can be entered in several places gets a dispatcher for its header.
 */
function makeReducible(root: Vertex, firstFreeId: number): void {
  const vertices = reversePostorder(root);
  let nextId = firstFreeId;
  const work: { readonly among: readonly Vertex[]; readonly outer: Loop | undefined }[] = [{ among: vertices.slice(), outer: undefined }];
  for (let item = work.pop(); item; item = work.pop()) {
    for (const component of cyclicComponents(item.among)) {
      const entries = entriesOf(component, root, vertices);
      let [header] = entries;
      if (!header) throw new Error('a loop that is reached has an entry');
      if (entries.length > 1) {
        header = newVertex(nextId++, undefined);
        enterBy(header, entries, component, vertices);
        vertices.push(header);
      }
      const loop: Loop = { header, outer: item.outer };
      header.loop = loop;
      for (const vertex of component) vertex.loop = loop;
      component.delete(header);
      work.push({ among: [...component], outer: loop });
    }
  }
}

function entriesOf(component: ReadonlySet<Vertex>, root: Vertex, vertices: readonly Vertex[]): readonly Vertex[] {
  const entered = new Set<Vertex>();
  if (component.has(root)) entered.add(root);
  for (const vertex of vertices) {
    if (component.has(vertex)) continue;
    for (const { target } of vertex.edges) if (component.has(target)) entered.add(target);
  }
  return [...entered].sort((a, b) => a.id - b.id);
}

/**
 * Leads edges to `entries` through `dispatcher`: all that come from outside, and of those inside as many as must be, since
 * going through it costs time in each turn of the loop. An edge inside may stay if it closes a loop around which no other
 * entry leads, or no loop at all.
 */
function enterBy(dispatcher: Vertex, entries: readonly Vertex[], component: ReadonlySet<Vertex>, vertices: readonly Vertex[]): void {
  connect(dispatcher, entries);
  const selectors = new Map(entries.map((entry, index) => [entry, index]));
  const undecided = new Map<Edge, Vertex>();
  for (const vertex of vertices) {
    for (const edge of vertex.edges) {
      const select = selectors.get(edge.target);
      if (select === undefined) continue;
      if (component.has(vertex)) undecided.set(edge, vertex);
      else {
        edge.target = dispatcher;
        edge.select = select;
      }
    }
  }
  const reachedFrom = (start: Vertex): Set<Vertex> => {
    const reached = new Set([start]);
    // The set grows while it is walked.
    for (const vertex of reached) {
      for (const edge of vertex.edges) if (component.has(edge.target) && !undecided.has(edge)) reached.add(edge.target);
    }
    return reached;
  };

  // Decisions don't change who dominates whom: they are about edges to entries, which the dispatcher leads to anyway.
  const onlyReachedFrom = new Map<Vertex, Vertex | undefined>();
  for (const entry of entries) {
    for (const vertex of reachedFrom(entry)) onlyReachedFrom.set(vertex, onlyReachedFrom.has(vertex) ? undefined : entry);
  }
  for (const [edge, source] of undecided) if (onlyReachedFrom.get(source) === edge.target) undecided.delete(edge);
  for (const [edge, source] of undecided) {
    if (reachedFrom(edge.target).has(source)) {
      edge.select = selectors.get(edge.target);
      edge.target = dispatcher;
    }
    undecided.delete(edge);
  }
}

/** Strongly connected components of the graph of these vertices alone, as far as they have edges inside (Tarjan). */
function cyclicComponents(among: readonly Vertex[]): Set<Vertex>[] {
  interface Visit { readonly vertex: Vertex; readonly index: number; low: number; nextEdge: number; done: boolean }
  const visits = new Map<Vertex, Visit | undefined>(among.map((vertex) => [vertex, undefined]));
  const components: Set<Vertex>[] = [];
  const path: Visit[] = [];
  const open: Visit[] = [];
  let count = 0;
  const visit = (vertex: Vertex): void => {
    const begun = { vertex, index: count, low: count, nextEdge: 0, done: false };
    count++;
    visits.set(vertex, begun);
    path.push(begun);
    open.push(begun);
  };
  for (const start of among) {
    if (!visits.get(start)) visit(start);
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const edge = top.vertex.edges[top.nextEdge++];
      if (edge) {
        if (!visits.has(edge.target)) continue;
        const seen = visits.get(edge.target);
        if (!seen) visit(edge.target);
        else if (!seen.done) top.low = Math.min(top.low, seen.index);
        continue;
      }
      path.pop();
      const below = path.at(-1);
      if (below) below.low = Math.min(below.low, top.low);
      if (top.low < top.index) continue;
      const component = new Set<Vertex>();
      for (const member of open.splice(open.lastIndexOf(top))) {
        member.done = true;
        component.add(member.vertex);
      }
      if (component.size > 1 || top.vertex.edges.some(({ target }) => target === top.vertex)) components.push(component);
    }
  }
  return components;
}

/** What `root` reaches. Of a vertex's successors the last comes first, so that the last jump can fall through to it. */
function reversePostorder(root: Vertex): Vertex[] {
  const finished: Vertex[] = [];
  const seen = new Set([root]);
  const path = [{ vertex: root, nextEdge: 0 }];
  for (let top = path.at(-1); top; top = path.at(-1)) {
    const edge = top.vertex.edges[top.nextEdge++];
    if (!edge) {
      finished.push(top.vertex);
      path.pop();
    } else if (!seen.has(edge.target)) {
      seen.add(edge.target);
      path.push({ vertex: edge.target, nextEdge: 0 });
    }
  }
  return finished.reverse();
}

/** Cooper, Harvey, Kennedy, "A Simple, Fast Dominance Algorithm". Once through is enough where back edges go to dominators. */
function findDominators(order: readonly Vertex[]): void {
  for (const [index, vertex] of order.entries()) vertex.order = index;
  for (const vertex of order) {
    for (const { target } of vertex.edges) {
      if (target.order <= vertex.order) continue;
      let one = target.dominator ?? vertex;
      let other = vertex;
      while (one !== other) {
        const later = one.order > other.order ? one : other;
        if (!later.dominator) throw new Error('the root dominates all');
        if (later === one) one = later.dominator;
        else other = later.dominator;
      }
      target.dominator = one;
    }
  }
}

/**
 * A vertex is written behind the one that dominates it, but not inside loops that it isn't part of: engines look at a
 * loop's whole body for what it changes, and loops that follow each other would be nested in each other.
 */
function place(order: readonly Vertex[]): void {
  for (const vertex of order) {
    const { dominator } = vertex;
    if (!dominator) continue;
    let left: Loop | undefined;
    for (let loop = dominator.loop; loop && !isInside(vertex, loop); loop = loop.outer) left = loop;
    if (left) left.header.followingLoop.push(vertex);
    else dominator.following.push(vertex);
  }
}

function isInside(vertex: Vertex, loop: Loop): boolean {
  let found = vertex.loop;
  while (found && found !== loop) found = found.outer;
  return found === loop;
}

function write(root: Vertex): readonly Step[] {
  const blockLabel = (vertex: Vertex): number => vertex.id * 2;
  const loopLabel = (vertex: Vertex): number => vertex.id * 2 + 1;
  const used = new Set<number>();
  let steps: Step[] = [];
  const outside: Step[][] = [];
  const open = (): void => {
    outside.push(steps);
    steps = [];
  };
  const close = (kind: 'block' | 'loop', label: number): void => {
    const body = steps;
    steps = outside.pop() ?? [];
    // A block that is only fallen out of is none.
    if (used.has(label)) steps.push({ kind, label, body });
    else steps.push(...body);
  };
  /** The code of `vertex`; whoever reaches its end comes to `next`. */
  const code = (vertex: Vertex, next: Vertex | undefined): void => {
    const fallThrough = vertex.node === undefined ? undefined : vertex.edges.at(-1);
    const jumps = vertex.edges.map((edge): Jump => {
      const { target, select } = edge;
      if (edge === fallThrough && target === next) return { label: undefined, select };
      const label = target.order > vertex.order ? blockLabel(target) : loopLabel(target);
      used.add(label);
      return { label, select };
    });
    steps.push(vertex.node === undefined ? { kind: 'dispatch', cases: jumps } : { kind: 'node', node: vertex.node, jumps });
  };

  // What is still to be done, the next thing last: dominator trees are as deep as straight code is long.
  const work: (() => void)[] = [];
  /** `first`, with `followers` behind it, each of them a place that a branch can go to. */
  const inOrder = (first: (next: Vertex | undefined) => void, followers: readonly Vertex[], next: Vertex | undefined): void => {
    for (const [index, follower] of [...followers.entries()].reverse()) {
      open();
      work.push(() => {
        close('block', blockLabel(follower));
        tree(follower, followers[index + 1] ?? next);
      });
    }
    work.push(() => first(followers[0] ?? next));
  };
  const tree = (vertex: Vertex, next: Vertex | undefined): void => {
    const body = (after: Vertex | undefined): void => inOrder((behind) => code(vertex, behind), vertex.following, after);
    if (vertex.loop?.header !== vertex) {
      body(next);
      return;
    }
    inOrder((after) => {
      open();
      work.push(() => close('loop', loopLabel(vertex)));
      body(after);
    }, vertex.followingLoop, next);
  };
  tree(root, undefined);
  for (let task = work.pop(); task; task = work.pop()) task();
  return steps;
}

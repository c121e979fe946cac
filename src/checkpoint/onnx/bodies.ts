/** Where nodes stand besides the graph itself: in functions of the model, and in branches of If nodes. */
import { quoted } from '../printable.js';
import { invalidGraph, operatorDomain } from './nodes.js';
import { messageOf, messagesOf, textOf, type WireMessage, type WireSource } from './wire.js';

/** The functions of a model by domain, name and overload. */
export type FunctionTable = ReadonlyMap<string, WireMessage>;

function keyOf(source: WireSource, message: WireMessage, nameField: string): string {
  const domain = operatorDomain(textOf(source, message, 'domain'));
  return JSON.stringify([domain, textOf(source, message, nameField), textOf(source, message, 'overload')]);
}

/**
 * The functions of a model.
 *
 * @throws InputError `checkpoint/invalid-graph` for two of one name
 */
export function functionTable(source: WireSource, model: WireMessage): FunctionTable {
  const table = new Map<string, WireMessage>();
  for (const message of messagesOf(model, 'functions')) {
    const key = keyOf(source, message, 'name');
    if (table.has(key)) {
      throw invalidGraph(source.path, `two functions are named ${quoted(textOf(source, message, 'name'))}.`);
    }
    table.set(key, message);
  }
  return table;
}

/** The function that a node calls, or null for an operator. */
export function calledFunction(
  source: WireSource,
  functions: FunctionTable,
  node: WireMessage,
): WireMessage | null {
  return functions.size === 0 ? null : (functions.get(keyOf(source, node, 'opType')) ?? null);
}

/** Branches of an If node by attribute: GraphProtos. Of other nodes with graphs, loops, nothing is read. */
export function branchesOf(source: WireSource, node: WireMessage): Map<string, WireMessage> {
  const branches = new Map<string, WireMessage>();
  if (textOf(source, node, 'opType') !== 'If' || operatorDomain(textOf(source, node, 'domain')) !== '') {
    return branches;
  }
  for (const attribute of messagesOf(node, 'attribute')) {
    const graph = messageOf(attribute, 'g');
    if (graph !== null) branches.set(textOf(source, attribute, 'name'), graph);
  }
  return branches;
}

/** A function that is called, or a branch: each once, wherever it is used. */
export interface InnerBody {
  /** A FunctionProto or GraphProto: both have their nodes in the field `node`. */
  message: WireMessage;
  /** What names of what it holds begin with, where they are taken. */
  prefix: string;
}

/** The functions and branches that the graph uses, directly or through others. */
export function innerBodies(source: WireSource, graph: WireMessage, functions: FunctionTable): InnerBody[] {
  const found = new Map<WireMessage, InnerBody>();
  const waiting: WireMessage[] = [graph];
  const add = (message: WireMessage, prefix: string): void => {
    if (found.has(message)) return;
    found.set(message, { message, prefix });
    waiting.push(message);
  };
  for (let body = waiting.pop(); body !== undefined; body = waiting.pop()) {
    for (const node of messagesOf(body, 'node')) {
      const called = calledFunction(source, functions, node);
      if (called !== null) {
        add(called, textOf(source, called, 'name'));
        continue;
      }
      for (const [name, branch] of branchesOf(source, node)) {
        add(branch, `${textOf(source, node, 'name') || 'If'}/${name}`);
      }
    }
  }
  return [...found.values()];
}

// A whole till in Node 18 or newer, without dependencies:
//   node till.mjs http://127.0.0.1:8000
// Sells, burns, repeats after a time-out, refunds in parts, uploads a day offline, checks the totals.
import { createHash, createHmac, randomBytes, randomInt } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const base = process.argv[2] ?? "http://127.0.0.1:8000";
const keyId = process.env.TILL_KEY ?? "pk_sandbox_PUBLISHED";
const secret = Buffer.from(process.env.TILL_SECRET ?? "d29ydGhsZXNzOiBldmVyeWJvZHkga25vd3MgdGhpcyE=", "base64");
const run = randomBytes(4).toString("hex"); // A real till counts its sales; a sample begins anew.
const here = { terminal_id: "T1", cashier_id: `c-${run}` };
let clockError = 0; // The server's clock less ours, in seconds.

export function authorization({ key, id, timestamp, nonce, method, path, query, idempotencyKey, body }) {
  const hash = createHash("sha256").update(body).digest("hex");
  const lines = ["POS1-HMAC-SHA256", id, timestamp, nonce, method, path, query, idempotencyKey, hash];
  const text = lines.map((line) => `${line}\n`).join(""); // The last line ends in a newline too.
  const signature = createHmac("sha256", key).update(text).digest("base64");
  return `POS1-HMAC-SHA256 key_id="${id}",timestamp="${timestamp}",nonce="${nonce}",signature="${signature}"`;
}

// Plaza said no: `code` is for the program, `message` for the cashier.
class Refused extends Error {
  constructor(problem) {
    super(problem.detail ?? problem.title);
    this.code = problem.code;
  }
}

function send(method, target, body, idempotencyKey) {
  const [path, query = ""] = target.split("?");
  const timestamp = Math.floor(Date.now() / 1000 + clockError);
  const nonce = randomBytes(18).toString("base64url"); // A fresh one at every try.
  const headers = {
    Authorization: authorization({ key: secret, id: keyId, timestamp, nonce, method, path, query, idempotencyKey, body }),
  };
  if (body) headers["Content-Type"] = "application/json";
  if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
  return fetch(base + target, { method, headers, body: body || undefined, signal: AbortSignal.timeout(10_000) });
}

// Asks until there is an answer, always with the same key and the same bytes.
async function ask(method, target, content, idempotencyKey = "") {
  const body = content ? JSON.stringify(content) : "";
  // Here a real till writes the key and the body to its disk, before the first send.
  for (let wait = 0.2; ; wait = Math.min(wait * 2, 8)) {
    let pause = wait;
    try {
      const answer = await send(method, target, body, idempotencyKey);
      const told = await answer.json();
      if (answer.ok) return { ...told, again: answer.headers.has("Idempotency-Replayed") };
      pause = Math.max(pause, Number(answer.headers.get("Retry-After") ?? 0));
      if (told.code === "clock-skew") await setClock();
      else if (answer.status < 500 && answer.status !== 429 && told.code !== "idempotency-in-flight") throw new Refused(told);
    } catch (error) {
      if (error instanceof Refused) throw error;
      console.log(`no answer (${error.name}), the same again`);
    }
    await sleep(pause * 1000);
  }
}

const newKey = () => randomBytes(24).toString("base64url");
const read = (target) => ask("GET", target);
const tell = (target, content) => ask("POST", target, { ...here, ...content });
const write = (target, content) => ask("POST", target, content.orders ? content : { ...here, ...content }, newKey());

async function setClock() {
  const told = await (await fetch(`${base}/v1/pos/time`)).json();
  clockError = told.timestamp - Date.now() / 1000;
}

// What this till believes it took and gave; at the end Plaza has to say the same.
const drawer = { orders: 0, refunds: 0, sold_fen: 0, refunded_fen: 0, taken_fen: 0, given_fen: 0 };
const add = (sums) => Object.entries(sums).forEach(([name, n]) => (drawer[name] += n));
const days = new Set();
const dayOf = (instant) => instant.toLocaleDateString("sv", { timeZone: "Asia/Shanghai" });
let count = 0;
const nextNumber = () => `T1-${run}-${++count}`;

async function sell(sale, due) {
  const number = nextNumber();
  const order = await write("/v1/pos/orders", { ...sale, number, tenders: [{ name: "cash", fen: due }] });
  add({ orders: 1, sold_fen: order.total_fen, taken_fen: order.due_fen });
  console.log(`sold ${order.order_id} due ${order.due_fen} earned ${order.earned_points} burned ${order.burned_points} again ${order.again}`);
  console.log(order.receipt.zh.map((line) => `  ${line}`).join("\n"));
  return order;
}

async function refund(order, parts) {
  const back = await write(`/v1/pos/orders/${order.order_id}/refunds`, { number: nextNumber(), ...(parts && { parts }) });
  add({ refunds: 1, refunded_fen: back.fen, given_fen: back.fen - back.points_fen });
  console.log(`refunded ${back.refund_id} fen ${back.fen} of which points_fen ${back.points_fen} clawed ${back.clawed_points} restored ${back.restored_points}`);
}

async function main() {
  await setClock();
  days.add(dayOf(new Date(Date.now() + clockError * 1000)));

  // A member of our own. At a real till the code is scanned from the phone.
  const phone = `199${String(randomInt(10 ** 8)).padStart(8, "0")}`;
  const { member_code } = await tell("/v1/pos/sandbox/member-codes", { phone, mode: "spend" });
  const member = await tell("/v1/pos/identify", { member_code });
  const { identification_id } = member;
  console.log(`member ${member.phone} may burn ${member.may_burn}`);

  const tea = { sku: "6901", name: "龙井", category: "tea", amount_fen: 12_800, quantity: 1 };
  const cups = { sku: "6902", name: "茶杯", amount_fen: 9_000, quantity: 3 };
  await sell({ lines: [tea], identification_id }, tea.amount_fen);

  // Burning: the quote says what is left to pay, and keeps its word for five minutes.
  const basket = { lines: [tea, cups], identification_id, burn_points: 100 };
  const quote = await tell("/v1/pos/quotes", basket);
  const order = await sell({ ...basket, quote_id: quote.quote_id }, quote.due_fen);

  await refund(order, [{ line: 2, quantity: 1 }]);
  await refund(order, [{ line: 1, amount_fen: 500 }]);
  await refund(order); // All that is left.
  await refund(order).catch((error) => console.log(`refused ${error.code}: ${error.message}`));

  // The line was down: sales are kept with their number and time, and uploaded later.
  const at = new Date(Date.now() + clockError * 1000 - 60_000);
  days.add(dayOf(at));
  const captured = [{ phone }, {}].map((who) => ({
    ...here, ...who, number: nextNumber(), occurred_at: at.toISOString(),
    lines: [cups], tenders: [{ name: "cash", fen: cups.amount_fen }],
  }));
  const { verdicts } = await write("/v1/pos/orders/batch", { orders: captured });
  for (const { status, order, problem } of verdicts) {
    if (!order) throw new Refused(problem);
    add({ orders: 1, sold_fen: order.total_fen, taken_fen: order.due_fen });
    console.log(`uploaded ${status} ${order.number} earned ${order.earned_points}`);
  }

  const told = { orders: 0, refunds: 0, sold_fen: 0, refunded_fen: 0, taken_fen: 0, given_fen: 0 };
  for (const day of days) {
    const { cashiers } = await read(`/v1/pos/totals?terminal_id=${here.terminal_id}&day=${day}`);
    const mine = cashiers.find((each) => each.cashier_id === here.cashier_id);
    for (const part of mine ? [mine, ...mine.tenders] : []) {
      for (const name of Object.keys(told)) told[name] += part[name] ?? 0;
    }
  }
  const agree = Object.keys(told).every((name) => told[name] === drawer[name]);
  console.log(`totals ${agree ? "agree" : "differ"} ${JSON.stringify(told)} drawer ${JSON.stringify(drawer)}`);
  process.exitCode = agree ? 0 : 1;
}

if (process.argv[1]?.endsWith("till.mjs")) await main();

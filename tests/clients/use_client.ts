// Calls a service with openapi-fetch, in the types that openapi-typescript made of its document.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Problem = components["schemas"]["Problem"];

const [url, key] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: url, headers: { "X-API-Key": key } });

function here<T>(data: T | undefined, error: Problem | undefined): T {
  if (data === undefined) throw new Error(`${error?.type}: ${error?.detail}`);
  return data;
}

const body: components["schemas"]["ScoringRequest"] = {
  as_of: "2026-06-30",
  language: "en",
  customers: [
    {
      customer_id: "C-0042",
      country: "IT",
      invoices: [
        { invoice_id: "2026/000118", issue_date: "2026-01-15", due_date: "2026-02-14", amount: 1830.5 },
        { invoice_id: "2026/000311", issue_date: "2026-05-11", due_date: "2026-06-10", amount: 4235 },
      ],
      payments: [{ invoice_id: "2026/000118", paid_on: "2026-02-20", amount: 1830.5 }],
    },
  ],
};
const scored = await client.POST("/v1/scores", { body });
const scores = here(scored.data, scored.error);

const send = () =>
  client.PUT("/v1/ledger/{table}", {
    params: { path: { table: "customers" }, header: { "Idempotency-Key": "typescript-1" } },
    body: { rows: [{ customer_id: "TS/1", name: "Rossi & C.", country: "IT" }] },
  });
const first = await send();
const second = await send();
const taken = here(first.data, first.error);

const page = async (cursor?: string) => {
  const query = { limit: 2, cursor, lang: "en" as const };
  const { data, error } = await client.GET("/v1/plan", { params: { query } });
  return here(data, error);
};
const plan = await page();
const rest = await page(plan.next_cursor ?? undefined);

const invoiceId = plan.customers[0].invoices[0];
const read = await client.GET("/v1/invoices/{invoice_id}", {
  params: { path: { invoice_id: invoiceId } },
});
const stored = here(read.data, read.error);

const missing = await client.GET("/v1/invoices/{invoice_id}", {
  params: { path: { invoice_id: "no/such invoice" } },
});
body.customers[0].invoices[0].amount = -1;
const wrong = await client.POST("/v1/scores", { body });

const found = {
  scored: scores.invoices.map((score) => [score.invoice_id, score.p_late_30]),
  reasons: scores.invoices[0].reasons.length,
  rows: [taken.accepted, taken.held, taken.rows[0].status],
  again: [
    JSON.stringify(second.data) === JSON.stringify(taken),
    second.response.headers.get("Idempotent-Replayed"),
  ],
  plan: [...plan.customers, ...rest.customers].map((contact) => contact.customer_id),
  total: plan.total,
  invoice: [invoiceId, stored.invoice.invoice_id, stored.invoice.risk_band],
  missing: [missing.response.status, missing.error?.type],
  wrong: [wrong.error?.status, wrong.error?.type, wrong.error?.errors?.map((fault) => fault.path)],
};
console.log(JSON.stringify(found));

// Runs the cases of the files through npm's @cloud-copilot/iam-simulate and
// prints what each came to, and how long a whole pass takes once it is warm.
//
//	node peer.mjs SECONDS FILE.jsonl...
import { readFileSync } from 'node:fs'
import { anonymousPrincipal, runSimulation } from '@cloud-copilot/iam-simulate'

const seconds = Number(process.argv[2])
const cases = process.argv.slice(3).flatMap((f) => readFileSync(f, 'utf8').split('\n').filter(Boolean).map((l) => JSON.parse(l)))

const levels = (list) =>
  (list ?? []).map((policies, i) => ({ orgIdentifier: `level-${i}`, policies: policies.map((policy, j) => ({ name: `p${j}`, policy })) }))

const simulations = cases.map((c) => ({
  request: {
    principal: c.request.principal === 'anonymous' ? anonymousPrincipal : c.request.principal,
    action: c.request.action,
    resource: { resource: c.request.resource, accountId: c.request.resourceAccount },
    contextVariables: c.request.context ?? {},
  },
  identityPolicies: (c.identityPolicies ?? []).map((policy, i) => ({ name: `p${i}`, policy })),
  resourcePolicy: c.resourcePolicy,
  permissionBoundaryPolicies: c.permissionBoundary ? [{ name: 'b', policy: c.permissionBoundary }] : undefined,
  sessionPolicy: c.sessionPolicy,
  serviceControlPolicies: levels(c.scps),
  resourceControlPolicies: levels(c.rcps),
}))

async function pass() {
  const out = []
  for (const s of simulations) {
    try {
      const r = await runSimulation(s, {})
      out.push(r.resultType === 'error' ? 'Error' : r.overallResult)
    } catch {
      out.push('Error')
    }
  }
  return out
}

const decisions = await pass() // loads its data, and warms up
let passes = 0
const began = performance.now()
while (performance.now() - began < seconds * 1000 || passes === 0) {
  await pass()
  passes++
}
const took = (performance.now() - began) / 1000
console.log(JSON.stringify({ perSecond: (passes * cases.length) / took, decisions: Object.fromEntries(cases.map((c, i) => [c.id, decisions[i]])) }))

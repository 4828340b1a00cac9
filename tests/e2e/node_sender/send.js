// Sends events by Segment's own Node library: address, write key, number of events. Prints what could not be sent.
import { Analytics } from '@segment/analytics-node'

const [host, writeKey, count] = process.argv.slice(2)
const analytics = new Analytics({ writeKey, host, flushAt: 50, maxRetries: 100, httpRequestTimeout: 5000, disable: false })
const failed = []
analytics.on('error', (error) => failed.push(String(error.code ?? error)))
let delivered = 0
const done = (error) => (error ? failed.push(String(error)) : (delivered += 1))
for (let n = 0; n < Number(count); n++) {
  const userId = `u${n % 50}`
  if (n % 100 === 99) analytics.identify({ userId, traits: { plan: n } }, done)
  else analytics.track({ userId, event: 'Product Viewed', properties: { product_id: `p${n % 20}`, price: 9.5 } }, done)
  // the library holds all that was not sent yet: do not outrun it
  if (n % 500 === 0) await new Promise((resume) => setTimeout(resume, 20))
}
await analytics.closeAndFlush({ timeout: 240_000 })
console.log(JSON.stringify({ delivered, failed: failed.slice(0, 5), failures: failed.length }))

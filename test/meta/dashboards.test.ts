import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createMetrics } from '../../src/telemetry/metrics.ts'
import { root } from '../support/source.ts'
import { findYamlReader } from '../support/yaml.ts'

const yaml = await findYamlReader('docker/prometheus-alerts.yaml')
afterAll(() => yaml?.remove())

interface Panel {
  type: string
  title: string
  gridPos: { x: number; y: number; w: number; h: number }
  fieldConfig: { defaults: { unit?: string } }
  targets: { expr: string; legendFormat: string }[]
}

interface Rule {
  alert: string
  expr: string
  for?: string
  labels: { severity: string }
  annotations: { summary: string; description: string }
}

/** Of every metric the labels that it has, Prometheus' own not counted. */
const known = new Map<string, Set<string>>()

/** What Prometheus adds to everything. */
const OWN = ['job', 'instance']

beforeAll(async () => {
  const metrics = createMetrics({ openUploads: async () => 1, webhookPending: async () => 1 })
  metrics.requestDone({ method: 'GET', status: 200, door: 'tus' })
  metrics.uploadEnded('tus', 'published')
  metrics.bytesReceived('tus', 1)
  metrics.webhookTried('delivered')
  metrics.lockWaited(0.1)
  metrics.promoted(0.1)
  for (const { name, values } of await metrics.snapshot()) {
    for (const value of values) {
      const full = 'metricName' in value ? String(value.metricName) : name
      known.set(full, new Set([...Object.keys(value.labels), ...OWN]))
    }
  }
  known.set('up', new Set(OWN))
})

/** Names and labels of an expression that the server does not have. */
function unknownIn(expression: string): string[] {
  // Grafana's variables, and what stands in quotes.
  const plain = expression.replace(/\[[^\]]*\]/g, '').replace(/"[^"]*"/g, '""')
  const names = [...plain.matchAll(/\b(up|(?:landfall|process|nodejs)_\w+)\b/g)]
  const own = names.map(([, name = '']) => known.get(name))
  const labels = [
    ...[...plain.matchAll(/\{([^}]*)\}/g)].flatMap(([, inner = '']) =>
      [...inner.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label),
    ),
    ...[...plain.matchAll(/\b(?:by|on)\s*\(([^)]*)\)/g)].flatMap(([, inner = '']) =>
      inner.split(',').map((label) => label.trim()),
    ),
  ]
  return [
    ...names.map(([, name = '']) => name).filter((name) => !known.has(name)),
    ...(names.length === 0 ? ['no metric'] : []),
    ...labels.filter((label) => own.some((its) => its !== undefined && !its.has(label))),
  ]
}

const metricsOf = (expressions: readonly string[]) =>
  expressions.flatMap((each) => each.match(/\blandfall_\w+/g) ?? [])

describe('docker/grafana-dashboard.json', async () => {
  const text = await readFile(path.join(root, 'docker/grafana-dashboard.json'), 'utf8')
  const { panels } = JSON.parse(text) as { panels: Panel[] }
  const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))

  it('asks for metrics and labels that the server has', () => {
    const unknown = expressions.map((each) => [each, unknownIn(each)] as const)
    expect(unknown.filter(([, names]) => names.length > 0)).toEqual([])
  })

  it('shows every metric of ours', () => {
    const shown = new Set(metricsOf(expressions).map(familyOf))
    const ours = [...known.keys()].filter((name) => name.startsWith('landfall_')).map(familyOf)
    expect([...new Set(ours)].filter((name) => !shown.has(name))).toEqual([])
  })

  it('has a title, a unit and a legend for everything, and nothing above another', () => {
    expect(panels.length).toBeGreaterThan(10)
    for (const { title, fieldConfig, targets } of panels) {
      expect(title).not.toBe('')
      expect(fieldConfig.defaults.unit).toMatch(/^\w+$/)
      for (const { legendFormat } of targets) expect(legendFormat).not.toBe('')
    }
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`),
    )
    expect(new Set(cells).size).toBe(cells.length)
    for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24)
  })
})

describe.skipIf(yaml === undefined)('docker/prometheus-alerts.yaml', () => {
  let rules: Rule[]
  beforeAll(async () => {
    const file = await yaml?.read('docker/prometheus-alerts.yaml')
    rules = (file as { groups: { rules: Rule[] }[] }).groups.flatMap((group) => group.rules)
  })

  it('asks for metrics and labels that the server has', () => {
    const unknown = rules.map(({ expr }) => [expr, unknownIn(expr)] as const)
    expect(unknown.filter(([, names]) => names.length > 0)).toEqual([])
  })

  it('says of each alert how bad it is, what it means and what to do, under a name of its own', () => {
    expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
    for (const { alert, labels, annotations } of rules) {
      expect(alert).toMatch(/^Landfall[A-Z]\w+$/)
      expect(['critical', 'warning']).toContain(labels.severity)
      expect(annotations.summary.length * annotations.description.length).toBeGreaterThan(0)
    }
  })

  it('has as many alerts as the page says', async () => {
    const page = await readFile(path.join(root, 'docs/deployment.md'), 'utf8')
    expect(page).toContain(`${rules.length} alerts`)
  })
})

/** A histogram is three series of one name. */
const familyOf = (name: string) => name.replace(/_(?:bucket|sum|count)$/, '')

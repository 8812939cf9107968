// The places that numbers are written to, and how all of it is read again: two databases of PostgreSQL, Redis, ChromaDB,
// Neo4j. They are written to in chains: number n to each place of the chain in turn, then n + 1. A write that is repeated
// changes nothing.
import neo4j from 'neo4j-driver';
import pg from 'pg';
import { createClient } from 'redis';

const [neo4jUser, neo4jPassword] = (process.env.NEO4J_AUTH || 'neo4j/whisperengine').split('/');
const chromaBase = 'http://chromadb:8000/api/v2/tenants/default_tenant/databases/default_database';

export const secondDatabase = 'moment_second';
export const bulkCollection = 'moment_bulk';

// --- connections ------------------------------------------------------------------------------------------------------

export async function openPostgres(database) {
	const client = new pg.Client({
		host: 'postgres',
		user: process.env.POSTGRES_USER || 'whisperengine',
		password: process.env.POSTGRES_PASSWORD || 'whisperengine',
		database,
		options: '-c jit=off', // the local image has none
	});
	client.on('error', () => {}); // the next query fails, and says so
	await client.connect();
	return client;
}

export async function openRedis() {
	const client = createClient({ url: 'redis://redis:6379', socket: { reconnectStrategy: false } });
	client.on('error', () => {});
	await client.connect();
	return client;
}

export async function openNeo4j() {
	const driver = neo4j.driver('bolt://neo4j:7687', neo4j.auth.basic(neo4jUser, neo4jPassword), {
		disableLosslessIntegers: true,
		maxTransactionRetryTime: 0,
	});
	await driver.verifyConnectivity();
	return driver;
}

export async function chroma(method, path, body) {
	const response = await fetch(chromaBase + path, {
		method,
		headers: { 'Content-Type': 'application/json' },
		body: body === undefined ? undefined : JSON.stringify(body),
	});
	const text = await response.text();
	if (!response.ok) {
		throw new Error(`ChromaDB answered ${response.status} to ${method} ${path}: ${text.slice(0, 300)}`);
	}
	return text === '' ? null : JSON.parse(text);
}

export const mainDatabase = process.env.POSTGRES_DB || 'whisperengine';

// --- vectors that can be computed again -------------------------------------------------------------------------------

export function vectorOf(seed, length) {
	const vector = [];
	let state = Math.imul(seed % 4294967296, 2654435761) >>> 0;
	for (let i = 0; i < length; i++) {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		vector.push(Math.fround((state >>> 8) / (1 << 24)));
	}
	return vector;
}

export function sameVector(one, other) {
	return one !== null && one !== undefined && one.length === other.length && one.every((value, i) => Math.abs(value - other[i]) < 1e-5);
}

export const numberVectorLength = 16;

// --- the places -------------------------------------------------------------------------------------------------------

// Each is made for a chain. One that keeps only the newest `keep` numbers forgets the others with each write.
class Place {
	constructor(name, chain, keep = Infinity) {
		this.name = name;
		this.chain = chain;
		this.keep = keep;
	}

	// count numbers from first to last (0 or null if there is none)
	gapless({ count, first, last }) {
		const none = count === 0 && !last;
		const from = this.keep === Infinity ? first === 1 : first === Math.max(1, last - this.keep + 1);
		return none || (from && count === last - first + 1) ? [] : [`${count} numbers from ${first} to ${last}`];
	}
}

class Postgres extends Place {
	constructor(name, database, chain, keep) {
		super(name, chain, keep);
		this.database = database;
		this.numbers = `moment_${chain}_numbers`;
		this.counter = `moment_${chain}_counter`;
	}

	async open() {
		if (this.database !== mainDatabase) {
			const first = await openPostgres(mainDatabase);
			const found = await first.query('SELECT 1 FROM pg_database WHERE datname = $1', [this.database]);
			if (found.rowCount === 0) {
				await first.query(`CREATE DATABASE ${this.database}`);
			}
			await first.end();
		}
		this.client = await openPostgres(this.database);
		await this.client.query(`CREATE TABLE IF NOT EXISTS ${this.numbers} (n bigint PRIMARY KEY, written timestamptz DEFAULT now())`);
		await this.client.query(`CREATE TABLE IF NOT EXISTS ${this.counter} (id integer PRIMARY KEY, n bigint)`);
	}

	async openToRead() {
		this.client = await openPostgres(this.database);
	}

	async write(n) {
		await this.client.query({
			name: `write_${this.chain}`,
			text: `WITH counted AS (INSERT INTO ${this.counter} VALUES (1, $1::bigint) ON CONFLICT (id) DO UPDATE SET n = excluded.n),
				forgotten AS (DELETE FROM ${this.numbers} WHERE n <= $1::bigint - $2::bigint)
				INSERT INTO ${this.numbers} (n) VALUES ($1::bigint) ON CONFLICT DO NOTHING`,
			values: [n, this.keep === Infinity ? n : this.keep],
		});
	}

	async largest() {
		const { rows } = await this.client.query(`SELECT coalesce(max(n), 0)::integer AS n FROM ${this.numbers}`);
		return rows[0].n;
	}

	async examine() {
		const { rows } = await this.client.query(
			`SELECT (SELECT n::integer FROM ${this.counter}) AS counter, count(*)::integer AS count,
			min(n)::integer AS first, max(n)::integer AS last FROM ${this.numbers}`,
		);
		const problems = this.gapless(rows[0]);
		if (rows[0].counter !== rows[0].last) {
			problems.push(`the counter is at ${rows[0].counter}, the rows at ${rows[0].last}`);
		}
		return { largest: rows[0].last ?? 0, problems };
	}

	async close() {
		await this.client?.end();
	}
}

class Redis extends Place {
	counter = `moment:${this.chain}:counter`;
	numbers = `moment:${this.chain}:numbers`;

	async open() {
		this.client = await openRedis();
	}

	async openToRead() {
		await this.open();
	}

	async write(n) {
		const transaction = this.client.multi().set(this.counter, String(n)).zAdd(this.numbers, { score: n, value: String(n) });
		if (this.keep !== Infinity) {
			transaction.zRemRangeByScore(this.numbers, '-inf', n - this.keep);
		}
		await transaction.exec();
	}

	async largest() {
		const [last] = await this.client.zRange(this.numbers, -1, -1);
		return Number(last ?? 0);
	}

	async examine() {
		const members = await this.client.zRange(this.numbers, 0, -1);
		const counter = Number(await this.client.get(this.counter));
		const last = Number(members[members.length - 1] ?? 0);
		const problems = this.gapless({ count: members.length, first: Number(members[0]), last });
		if (counter !== last) {
			problems.push(`the counter is at ${counter}, the set at ${last}`);
		}
		return { largest: last, problems };
	}

	async close() {
		this.client?.destroy();
	}
}

class Chroma extends Place {
	collection = `moment_${this.chain}`;

	async open() {
		const collection = await chroma('POST', '/collections', { name: this.collection, get_or_create: true });
		this.path = `/collections/${collection.id}`;
	}

	async openToRead() {
		const collection = await chroma('GET', `/collections/${this.collection}`);
		this.path = `/collections/${collection.id}`;
	}

	async write(n) {
		await chroma('POST', `${this.path}/add`, {
			ids: [String(n)],
			embeddings: [vectorOf(n, numberVectorLength)],
			metadatas: [{ n }],
			documents: [`number ${n}`],
		});
	}

	// Ids are text, and "where" knows no maximum: the count is the place to look at first.
	async largest() {
		let n = await chroma('GET', `${this.path}/count`);
		while (n > 0 && !(await this.#has(n))) {
			n--;
		}
		while (await this.#has(n + 1)) {
			n++;
		}
		return n;
	}

	async #has(n) {
		const found = await chroma('POST', `${this.path}/get`, { ids: [String(n)], include: [] });
		return found.ids.length > 0;
	}

	async examine() {
		const problems = [];
		const seen = [];
		for await (const page of pagesOf(this.path)) {
			page.ids.forEach((id, i) => {
				const n = Number(id);
				seen.push(n);
				if (page.metadatas[i]?.n !== n || page.documents[i] !== `number ${n}`) {
					problems.push(`the record ${id} has the metadata of ${page.metadatas[i]?.n} and the document ${page.documents[i]}`);
				}
				if (!sameVector(page.embeddings?.[i], vectorOf(n, numberVectorLength))) {
					problems.push(`the record ${id} has another vector`);
				}
			});
		}
		seen.sort((one, other) => one - other);
		const last = seen[seen.length - 1] ?? 0;
		problems.push(...this.gapless({ count: new Set(seen).size, first: seen[0], last }));
		return { largest: last, problems };
	}

	async close() {}
}

class Neo4j extends Place {
	label = `Moment_${this.chain}`;

	async open() {
		await this.openToRead();
		await this.#run(`CREATE CONSTRAINT moment_${this.chain} IF NOT EXISTS FOR (m:${this.label}) REQUIRE m.n IS UNIQUE`);
	}

	async openToRead() {
		this.driver = await openNeo4j();
		this.session = this.driver.session({ database: 'neo4j' });
	}

	async #run(statement, parameters = {}) {
		const { records } = await this.session.run(statement, parameters);
		return records[0]?.toObject();
	}

	async write(n) {
		await this.#run(
			`MERGE (m:${this.label} {n: $n}) WITH m
			OPTIONAL MATCH (before:${this.label} {n: $n - 1})
			FOREACH (b IN CASE WHEN before IS NULL THEN [] ELSE [before] END | MERGE (m)-[:AFTER]->(b))`,
			{ n: neo4j.int(n) },
		);
	}

	async largest() {
		return (await this.#run(`MATCH (m:${this.label}) RETURN coalesce(max(m.n), 0) AS n`)).n;
	}

	async examine() {
		const numbers = await this.#run(
			`MATCH (m:${this.label}) RETURN count(DISTINCT m.n) AS count, min(m.n) AS first, max(m.n) AS last, count(m) AS nodes`,
		);
		const links = await this.#run(
			`MATCH (m:${this.label})-[:AFTER]->(b:${this.label}) WHERE m.n = b.n + 1 RETURN count(*) AS count`,
		);
		const problems = this.gapless(numbers);
		if (numbers.nodes !== numbers.count || links.count !== Math.max(0, numbers.count - 1)) {
			problems.push(`${numbers.nodes} nodes and ${links.count} relationships for ${numbers.count} numbers`);
		}
		return { largest: numbers.last ?? 0, problems };
	}

	async close() {
		await this.session?.close();
		await this.driver?.close();
	}
}

export async function* pagesOf(path, size = 500) {
	for (let offset = 0; ; offset += size) {
		const page = await chroma('POST', `${path}/get`, { limit: size, offset, include: ['metadatas', 'documents', 'embeddings'] });
		if (page.ids.length > 0) {
			yield page;
		}
		if (page.ids.length < size) {
			return;
		}
	}
}

// --- the chains -------------------------------------------------------------------------------------------------------

// While one store is paused, a chain through it stands still, whatever else goes on. So there are also chains that leave
// out ChromaDB, which is paused first; they are the ones that see a difference between the other stores. The quick one
// would soon fill Redis.
const quickKeeps = 5000;
export const chains = {
	all: [
		new Postgres('postgresql', mainDatabase, 'all'),
		new Postgres('second_database', secondDatabase, 'all'),
		new Redis('redis', 'all'),
		new Chroma('chromadb', 'all'),
		new Neo4j('neo4j', 'all'),
	],
	quick: [
		new Postgres('postgresql', mainDatabase, 'quick', quickKeeps),
		new Postgres('second_database', secondDatabase, 'quick', quickKeeps),
		new Redis('redis', 'quick', quickKeeps),
	],
	graph: [
		new Postgres('postgresql', mainDatabase, 'graph'),
		new Neo4j('neo4j', 'graph'),
	],
};

// Written one after the other, so no later place may be ahead, and only the number in flight may be missing.
export function problemsOf(numbers) {
	const names = Object.keys(numbers);
	const values = Object.values(numbers);
	const problems = [];
	for (let i = 1; i < values.length; i++) {
		if (values[i] > values[i - 1]) {
			problems.push(`${names[i]} is at ${values[i]}, ahead of ${names[i - 1]} at ${values[i - 1]}`);
		}
	}
	if (Math.max(...values) - Math.min(...values) > 1) {
		problems.push(`they are ${Math.max(...values) - Math.min(...values)} numbers apart`);
	}
	return problems;
}

// The five places that a number is written to, in this order, and how all of it is read again: two databases of
// PostgreSQL, Redis, ChromaDB, Neo4j. A write that is repeated changes nothing.
import neo4j from 'neo4j-driver';
import pg from 'pg';
import { createClient } from 'redis';

const [neo4jUser, neo4jPassword] = (process.env.NEO4J_AUTH || 'neo4j/whisperengine').split('/');
const chromaBase = 'http://chromadb:8000/api/v2/tenants/default_tenant/databases/default_database';

export const secondDatabase = 'moment_second';
export const numbersCollection = 'moment_numbers';
export const bulkCollection = 'moment_bulk';

// --- connections ------------------------------------------------------------------------------------------------------

export async function openPostgres(database) {
	const client = new pg.Client({
		host: 'postgres',
		user: process.env.POSTGRES_USER || 'whisperengine',
		password: process.env.POSTGRES_PASSWORD || 'whisperengine',
		database,
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

class Postgres {
	constructor(name, database) {
		this.name = name;
		this.database = database;
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
		await this.client.query('CREATE TABLE IF NOT EXISTS moment_numbers (n bigint PRIMARY KEY, written timestamptz DEFAULT now())');
		await this.client.query('CREATE TABLE IF NOT EXISTS moment_counter (id integer PRIMARY KEY, n bigint)');
	}

	async connectToRead() {
		this.client = await openPostgres(this.database);
	}

	async write(n) {
		await this.client.query(
			`WITH counted AS (INSERT INTO moment_counter VALUES (1, ${n}) ON CONFLICT (id) DO UPDATE SET n = greatest(moment_counter.n, ${n}))
			INSERT INTO moment_numbers (n) VALUES (${n}) ON CONFLICT DO NOTHING`,
		);
	}

	async largest() {
		const { rows } = await this.client.query('SELECT coalesce(max(n), 0)::integer AS n FROM moment_numbers');
		return rows[0].n;
	}

	async examine() {
		const { rows } = await this.client.query(
			`SELECT (SELECT n::integer FROM moment_counter) AS counter, count(*)::integer AS count, min(n)::integer AS first, max(n)::integer AS last FROM moment_numbers`,
		);
		const problems = gapless(rows[0]);
		if (rows[0].counter !== rows[0].last) {
			problems.push(`the counter is at ${rows[0].counter}, the rows at ${rows[0].last}`);
		}
		return { largest: rows[0].last ?? 0, problems };
	}

	async close() {
		await this.client?.end();
	}
}

class Redis {
	name = 'redis';

	async open() {
		this.client = await openRedis();
	}

	async connectToRead() {
		await this.open();
	}

	async write(n) {
		await this.client.multi().set('moment:counter', String(n)).zAdd('moment:numbers', { score: n, value: String(n) }).exec();
	}

	async largest() {
		const [last] = await this.client.zRange('moment:numbers', -1, -1);
		return Number(last ?? 0);
	}

	async examine() {
		const members = await this.client.zRange('moment:numbers', 0, -1);
		const counter = Number(await this.client.get('moment:counter'));
		const last = Number(members[members.length - 1] ?? 0);
		const problems = gapless({ count: members.length, first: Number(members[0]), last });
		if (counter !== last) {
			problems.push(`the counter is at ${counter}, the set at ${last}`);
		}
		return { largest: last, problems };
	}

	async close() {
		this.client?.destroy();
	}
}

class Chroma {
	name = 'chromadb';

	async open() {
		const collection = await chroma('POST', '/collections', { name: numbersCollection, get_or_create: true });
		this.path = `/collections/${collection.id}`;
	}

	async connectToRead() {
		const collection = await chroma('GET', `/collections/${numbersCollection}`);
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
		problems.push(...gapless({ count: new Set(seen).size, first: seen[0], last }));
		return { largest: last, problems };
	}

	async close() {}
}

class Neo4j {
	name = 'neo4j';

	async open() {
		await this.connectToRead();
		await this.#run('CREATE CONSTRAINT moment_number IF NOT EXISTS FOR (m:MomentNumber) REQUIRE m.n IS UNIQUE');
	}

	async connectToRead() {
		this.driver = await openNeo4j();
		this.session = this.driver.session({ database: 'neo4j' });
	}

	async #run(statement, parameters = {}) {
		const { records } = await this.session.run(statement, parameters);
		return records[0]?.toObject();
	}

	async write(n) {
		await this.#run(
			`MERGE (m:MomentNumber {n: $n}) WITH m
			OPTIONAL MATCH (before:MomentNumber {n: $n - 1})
			FOREACH (b IN CASE WHEN before IS NULL THEN [] ELSE [before] END | MERGE (m)-[:AFTER]->(b))`,
			{ n: neo4j.int(n) },
		);
	}

	async largest() {
		return (await this.#run('MATCH (m:MomentNumber) RETURN coalesce(max(m.n), 0) AS n')).n;
	}

	async examine() {
		const numbers = await this.#run(
			'MATCH (m:MomentNumber) RETURN count(DISTINCT m.n) AS count, min(m.n) AS first, max(m.n) AS last, count(m) AS nodes',
		);
		const links = await this.#run('MATCH (m:MomentNumber)-[:AFTER]->(b:MomentNumber) WHERE m.n = b.n + 1 RETURN count(*) AS count');
		const problems = gapless(numbers);
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

function gapless({ count, first, last }) {
	if ((count === 0 && !last) || (first === 1 && count === last)) {
		return [];
	}
	return [`${count} numbers from ${first} to ${last}`];
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

export const places = [
	new Postgres('postgresql', mainDatabase),
	new Postgres('postgresql_second', secondDatabase),
	new Redis(),
	new Chroma(),
	new Neo4j(),
];

// --- what is said about all of them -----------------------------------------------------------------------------------

// Written one after the other, so no later place may be ahead, and only the number in flight may be missing.
export function problemsOf(numbers) {
	const values = Object.values(numbers);
	const problems = [];
	for (let i = 1; i < values.length; i++) {
		if (values[i] > values[i - 1]) {
			problems.push(`${Object.keys(numbers)[i]} is ahead of ${Object.keys(numbers)[i - 1]}`);
		}
	}
	if (values[0] - values[values.length - 1] > 1) {
		problems.push(`the places are ${values[0] - values[values.length - 1]} numbers apart`);
	}
	return problems;
}

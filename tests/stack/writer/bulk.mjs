// The heavy load beside the numbers: in every store some things that are always changed together, in one transaction
// where there are any, so that a copy of half of them is seen; and enough records to ChromaDB that it keeps rewriting
// its index (every 1000 of them, its sync_threshold).
import neo4j from 'neo4j-driver';
import {
	bulkCollection, chroma, mainDatabase, openNeo4j, openPostgres, openRedis, pagesOf, sameVector, vectorOf,
} from './places.mjs';

const rows = 2000;
const rewrittenRows = 100;
const keys = 200;
const nodes = 100;
const records = 4000;
const batch = 100;
const vectorLength = 64;
const filler = (turn) => String(turn).repeat(100).slice(0, 400);

async function updateRows(client, turn) {
	await client.query('CREATE TABLE IF NOT EXISTS moment_bulk (id integer PRIMARY KEY, turn bigint, filler text)');
	await client.query(
		`INSERT INTO moment_bulk SELECT id, ${turn}, '${filler(turn)}' FROM generate_series(1, ${rows}) id
		ON CONFLICT (id) DO UPDATE SET turn = excluded.turn, filler = excluded.filler`,
	);
}

// A table that is emptied and filled in one transaction is never seen empty, except by a snapshot from before that
// looks at it afterwards.
async function rewriteTable(client, turn) {
	await client.query('CREATE TABLE IF NOT EXISTS moment_rewritten (id integer, turn bigint)');
	await client.query('BEGIN');
	await client.query('TRUNCATE moment_rewritten');
	await client.query(`INSERT INTO moment_rewritten SELECT id, ${turn} FROM generate_series(1, ${rewrittenRows}) id`);
	await client.query('COMMIT');
}

async function setKeys(client, turn) {
	const transaction = client.multi();
	for (let i = 0; i < keys; i++) {
		transaction.hSet(`moment:bulk:${i}`, { turn, filler: filler(turn) });
	}
	await transaction.exec();
}

async function setNodes(driver, turn) {
	await driver.executeQuery(
		'UNWIND range(1, $nodes) AS id MERGE (b:MomentBulk {id: id}) SET b.turn = $turn, b.filler = $filler',
		{ nodes: neo4j.int(nodes), turn: neo4j.int(turn), filler: filler(turn) },
	);
}

const seedOf = (id, turn) => id * 1000003 + turn;

function upsertInTurn() {
	let at = 0;
	return async (path, turn) => {
		const ids = Array.from({ length: batch }, (_, i) => at + i);
		await chroma('POST', `${path}/upsert`, {
			ids: ids.map(String),
			embeddings: ids.map((id) => vectorOf(seedOf(id, turn), vectorLength)),
			metadatas: ids.map(() => ({ turn })),
			documents: ids.map((id) => `record ${id}`),
		});
		at = (at + batch) % records;
	};
}

async function openChroma() {
	const configuration = process.env.WRITER_MODE === 'rewriting' ? { hnsw: { batch_size: batch, sync_threshold: batch } } : undefined;
	const collection = await chroma('POST', '/collections', { name: bulkCollection, get_or_create: true, configuration });
	return `/collections/${collection.id}`;
}

const closePostgres = (client) => client.end();

// Each runs on its own: open, then `step` with a new turn again and again.
export const loads = [
	{ name: 'rows', open: () => openPostgres(mainDatabase), step: updateRows, close: closePostgres, pause: 50 },
	{ name: 'rewritten table', open: () => openPostgres(mainDatabase), step: rewriteTable, close: closePostgres, pause: 50 },
	{ name: 'keys', open: openRedis, step: setKeys, close: (client) => client.destroy(), pause: 20 },
	{ name: 'nodes', open: openNeo4j, step: setNodes, close: (driver) => driver.close(), pause: 50 },
	{ name: 'records', open: openChroma, step: upsertInTurn(), close: () => {}, pause: 30 },
];

// --- reading it again -------------------------------------------------------------------------------------------------

async function examinePostgres(client, report) {
	for (const [table, count] of [['moment_bulk', rows], ['moment_rewritten', rewrittenRows]]) {
		const there = await client.query('SELECT to_regclass($1) IS NOT NULL AS yes', [table]);
		if (there.rows[0].yes) {
			const { rows: found } = await client.query(`SELECT count(*)::integer AS count, count(DISTINCT turn)::integer AS turns FROM ${table}`);
			// Made and filled by two statements: empty is what it may once have been.
			if (!(found[0].count === count && found[0].turns === 1)) {
				report(`table ${table} has ${found[0].count} rows of ${found[0].turns} turns`);
			}
		}
	}
}

async function examineRedis(client, report) {
	const turns = new Set();
	for (let i = 0; i < keys; i++) {
		turns.add(await client.hGet(`moment:bulk:${i}`, 'turn'));
	}
	if (turns.size !== 1) {
		report(`the keys moment:bulk:* are of ${turns.size} turns`);
	}
}

async function examineNeo4j(driver, report) {
	const { records: found } = await driver.executeQuery('MATCH (b:MomentBulk) RETURN count(b) AS count, count(DISTINCT b.turn) AS turns');
	const { count, turns } = found[0].toObject();
	if (count !== 0 && !(count === nodes && turns === 1)) {
		report(`${count} nodes MomentBulk of ${turns} turns`);
	}
}

async function examineChroma(report) {
	const collections = await chroma('GET', '/collections');
	const bulk = collections.find((collection) => collection.name === bulkCollection);
	if (bulk === undefined) {
		return;
	}
	let wrong = 0;
	for await (const page of pagesOf(`/collections/${bulk.id}`)) {
		page.ids.forEach((id, i) => {
			wrong += sameVector(page.embeddings?.[i], vectorOf(seedOf(Number(id), page.metadatas[i]?.turn), vectorLength)) ? 0 : 1;
		});
	}
	if (wrong > 0) {
		report(`${wrong} records in ${bulkCollection} have another vector`);
	}
}

export async function examineBulk(report) {
	const each = [
		[() => openPostgres(mainDatabase), examinePostgres, closePostgres],
		[openRedis, examineRedis, (client) => client.destroy()],
		[openNeo4j, examineNeo4j, (driver) => driver.close()],
		[async () => report, examineChroma, () => {}],
	];
	for (const [open, examine, close] of each) {
		const connection = await open();
		await examine(connection, report);
		await close(connection);
	}
}

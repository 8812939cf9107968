// Removes everything that the writer has made.
import {
	chains, chroma, mainDatabase, openNeo4j, openPostgres, openRedis, secondDatabase,
} from './places.mjs';

const postgres = await openPostgres(mainDatabase);
for (const name of Object.keys(chains)) {
	await postgres.query(`DROP TABLE IF EXISTS moment_${name}_numbers, moment_${name}_counter`);
}
await postgres.query('DROP TABLE IF EXISTS moment_bulk, moment_rewritten');
await postgres.query(`DROP DATABASE IF EXISTS ${secondDatabase} WITH (FORCE)`);
await postgres.end();

const redis = await openRedis();
for await (const keys of redis.scanIterator({ MATCH: 'moment:*', COUNT: 1000 })) {
	if (keys.length > 0) {
		await redis.unlink(keys);
	}
}
redis.destroy();

const collections = await chroma('GET', '/collections?limit=1000');
for (const { name } of collections.filter((one) => one.name.startsWith('moment_'))) {
	await chroma('DELETE', `/collections/${name}`);
}

const neo4j = await openNeo4j();
await neo4j.session().run('MATCH (m) WHERE any(label IN labels(m) WHERE label STARTS WITH "Moment") CALL (m) { DETACH DELETE m } IN TRANSACTIONS');
await neo4j.close();

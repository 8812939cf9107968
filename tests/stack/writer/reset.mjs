// Removes everything that the writer has made.
import {
	bulkCollection, chroma, mainDatabase, numbersCollection, openNeo4j, openPostgres, openRedis, secondDatabase,
} from './places.mjs';

const postgres = await openPostgres(mainDatabase);
await postgres.query('DROP TABLE IF EXISTS moment_numbers, moment_counter, moment_bulk, moment_rewritten');
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
for (const { name } of collections.filter((one) => [bulkCollection, numbersCollection].includes(one.name))) {
	await chroma('DELETE', `/collections/${name}`);
}

const neo4j = await openNeo4j();
await neo4j.executeQuery('MATCH (m) WHERE m:MomentNumber OR m:MomentBulk DETACH DELETE m');
await neo4j.close();

// Reads all of what the writer has written, and all of every collection in ChromaDB. Prints one line of JSON: the largest
// number in each place of each chain, and what is wrong. Exit status 0: the stores show one moment; 1: they do not.
import { examineBulk } from './bulk.mjs';
import { chains, chroma, pagesOf, problemsOf } from './places.mjs';

const mostProblems = 20;
const numbers = {};
const problems = [];
const collections = {};

const report = (who) => (text) => problems.push(`${who}: ${text}`);

async function attempt(who, action) {
	try {
		await action();
	} catch (failure) {
		report(who)(failure.message || String(failure));
	}
}

async function examinePlace(name, place) {
	await place.openToRead();
	const found = await place.examine();
	numbers[name][place.name] = found.largest;
	found.problems.forEach(report(`${name}, ${place.name}`));
	await place.close();
}

async function examineChain(name, places) {
	numbers[name] = {};
	for (const place of places) {
		numbers[name][place.name] = 0;
		await attempt(`${name}, ${place.name}`, () => examinePlace(name, place));
	}
	problemsOf(numbers[name]).forEach(report(name));
	if (Math.max(...Object.values(numbers[name])) === 0) {
		report(name)('there are no numbers');
	}
}

// Every record is read, with its vector, and each page's first vector is looked for again.
async function examineCollection(collection) {
	const path = `/collections/${collection.id}`;
	const count = await chroma('GET', `${path}/count`);
	const ids = new Set();
	const tell = report(`collection ${collection.name}`);
	const vectors = [];
	for await (const page of pagesOf(path)) {
		page.ids.forEach((id) => ids.add(id));
		vectors.push(page.embeddings?.[0], page.embeddings?.[page.ids.length - 1]);
	}
	if (ids.size !== count) {
		tell(`${ids.size} of ${count} records can be read`);
	}
	collections[collection.name] = ids.size;
	let probes = 0;
	let misses = 0;
	for (const vector of vectors.filter((one) => one)) {
		const wanted = Math.min(10, ids.size);
		const found = await chroma('POST', `${path}/query`, { query_embeddings: [vector], n_results: wanted, include: ['distances'] });
		if (found.ids[0].length !== wanted) {
			tell(`a query has ${found.ids[0].length} results instead of ${wanted}`);
			continue;
		}
		probes++;
		misses += found.distances[0][0] < 1e-4 ? 0 : 1;
	}
	// An HNSW index is searched approximately, and after many updates a record of it may not be reached any more: a live
	// server on which nothing had been restored missed the same one as its restored backup. Torn files lose far more.
	if (misses * 8 > probes) {
		tell(`${misses} of ${probes} records are not found by their own vectors`);
	}
}

for (const [name, places] of Object.entries(chains)) {
	await examineChain(name, places);
}
await attempt('bulk', () => examineBulk(report('bulk')));
await attempt('chromadb', async () => {
	for (const collection of await chroma('GET', '/collections?limit=1000')) {
		await attempt(`collection ${collection.name}`, () => examineCollection(collection));
	}
});
const left = problems.length - mostProblems;
console.log(JSON.stringify({
	consistent: problems.length === 0,
	numbers,
	collections,
	problems: left > 0 ? [...problems.slice(0, mostProblems), `and ${left} more`] : problems,
}));
process.exit(problems.length === 0 ? 0 : 1);

// Writes number n to PostgreSQL, then Redis, then ChromaDB, then Neo4j, then n + 1, as fast as it can, and so on for each
// chain of places.mjs, all at the same time, with connections that stay open. WRITER_MODE=heavy adds the load of bulk.mjs,
// WRITER_MODE=rewriting the same with a ChromaDB that rewrites its index all the time, WRITER_MODE=gentle leaves the machine time for other things, WRITER_MODE=idle writes nothing.
// When it starts, or a store was away, a chain goes on with the largest number that is anywhere in it; but places that
// are further apart than the one number in flight are left as they are, and it ends with exit status 3.
import { setTimeout as sleep } from 'node:timers/promises';
import { loads } from './bulk.mjs';
import { chains, problemsOf } from './places.mjs';

const sayEverySeconds = 60;
const retryMilliseconds = 300;
const gentleMilliseconds = 100;
const mode = process.env.WRITER_MODE || 'plain';

process.on('SIGTERM', () => process.exit(0));
process.on('SIGINT', () => process.exit(0));
process.on('unhandledRejection', () => {}); // of a connection that is given up anyway

const say = (text) => console.log(`${new Date().toISOString()} ${text}`);

async function connect(name, places) {
	for (let told = false; ; await sleep(retryMilliseconds)) {
		try {
			for (const place of places) {
				await place.open();
			}
			return;
		} catch (failure) {
			if (!told) {
				say(`${name}: not yet: ${failure.message}`);
				told = true;
			}
			await disconnect(places);
		}
	}
}

async function disconnect(places) {
	for (const place of places) {
		try {
			await place.close();
		} catch {
			// it was broken
		}
	}
}

// The largest number anywhere; what is missing of it is written.
async function takeUp(name, places) {
	const numbers = {};
	for (const place of places) {
		numbers[place.name] = await place.largest();
	}
	const problems = problemsOf(numbers);
	if (problems.length > 0) {
		say(`${name}: ${problems.join(', ')}; this is not touched`);
		process.exit(3);
	}
	const n = Math.max(...Object.values(numbers));
	for (const place of places) {
		if (n > 0 && numbers[place.name] < n) {
			await place.write(n);
		}
	}
	return n;
}

async function writeNumbers(name, places) {
	for (;;) {
		await connect(name, places);
		try {
			let n = await takeUp(name, places);
			say(`${name}: goes on after ${n}`);
			for (let told = Date.now(), then = n; ; ) {
				n++;
				for (const place of places) {
					await place.write(n);
				}
				if (mode === 'gentle') {
					await sleep(gentleMilliseconds);
				}
				if (Date.now() - told > sayEverySeconds * 1000) {
					say(`${name}: at ${n}, ${Math.round(((n - then) * 1000) / (Date.now() - told))} a second`);
					told = Date.now();
					then = n;
				}
			}
		} catch (failure) {
			say(`${name}: connects again: ${failure.message}`);
			await disconnect(places);
			await sleep(retryMilliseconds);
		}
	}
}

async function bear(load) {
	for (let told = false; ; await sleep(retryMilliseconds)) {
		let connection;
		try {
			connection = await load.open();
			for (;;) {
				await load.step(connection, Date.now() % 1000000000);
				await sleep(load.pause);
			}
		} catch (failure) {
			if (!told) {
				say(`${load.name}: ${failure.message}`);
				told = true;
			}
			try {
				await load.close(connection);
			} catch {
				// it was broken
			}
		}
	}
}

say(`mode ${mode}`);
if (mode === 'idle') {
	setInterval(() => {}, 1000);
	await new Promise(() => {});
}
// One after the other at first: two programs must not make the same database at the same time.
for (const [name, places] of Object.entries(chains)) {
	await connect(name, places);
	await disconnect(places);
}
for (const [name, places] of Object.entries(chains)) {
	writeNumbers(name, places);
}
if (mode === 'heavy' || mode === 'rewriting') {
	loads.forEach(bear);
}

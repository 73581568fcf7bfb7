/**
 * Hashes computed by PostgreSQL 18.4 on a little-endian machine, in UTF-8:
 *
 *   select hashtextextended(text, 0);
 *   select hashint8extended(value, seed);
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { newKernel } from '../../../src/engine/kernel.js';
import { hashBytes, hashInt8 } from './oracle.js';

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789ABCD';

/** The hashes of the first 0, 1, 2 … 40 characters of ALPHABET. */
const hashesByLength = [
  -6939563903564495251n,
  3591986179850072241n,
  2833316173711343549n,
  -6747756470228489321n,
  -1038429303365892052n,
  3076356108696143428n,
  290958262752763840n,
  -6158032784613548338n,
  -8882191227074733005n,
  -3278210106038014113n,
  -3183301415634409076n,
  3112909444737856467n,
  -7556637188122330412n,
  8871624171452417744n,
  4973135103275945525n,
  9043359162837317271n,
  878954068520307163n,
  981995727863167554n,
  484589330715449564n,
  -232611774418841497n,
  772495730612720881n,
  7996419909667933074n,
  5065299895581918398n,
  -1198571854151947912n,
  -1933194731779935345n,
  5649064133428767341n,
  -6612928417832572997n,
  -2380771206696995028n,
  6812267027916543695n,
  945567879077619982n,
  -6220525620039254070n,
  2158826814634153154n,
  3549018472450668904n,
  5090768811159989509n,
  8980361962424279172n,
  -7327977299585643623n,
  -9049552497159076100n,
  3585635575684526821n,
  -7945884355249891368n,
  4463852556669114991n,
  7005817330312134559n,
];

const hashesOfTexts: [text: string, hash: bigint][] = [
  ['x'.repeat(255), 4505969566448161191n],
  ['x'.repeat(256), 4633738859199672089n],
  ['ü'.repeat(128), 6147846192504114512n],
  ['Zoë', 4022497667079498591n],
  ['日本語', 2870829529307104068n],
  ['🙂', -160011369191771018n],
  ['naïve café', -8900095927675910636n],
  ['O\'Brien "quoted"', 6533937779384588493n],
  ['line\nbreak', 3467703832789947937n],
  ['Ω≈ç√∫˜µ≤≥÷', -868803902664939819n],
  ['\ufeffalice', 2566272738982061679n],
  ['alice', -6283343261252860035n],
  ['\u0001\u007f', -4482927985188408441n],
  ['\u{10ffff}', 5552707043474078714n],
  [' ', 6600704740418937010n],
];

const hashesOfIntegers: [value: bigint, seed: bigint, hash: bigint][] = [
  [0n, 0n, 4154612158245552303n],
  [1n, 0n, -3670598878359251130n],
  [2n, 0n, 3647684041653542134n],
  [2147483647n, 0n, -9109110466470504941n],
  [2147483648n, 0n, 1977219185673256887n],
  [4294967295n, 0n, -1888257769727981238n],
  [4294967296n, 0n, -3670598878359251130n],
  [4294967297n, 0n, 4154612158245552303n],
  [9007199254740993n, 0n, -6408898991662627045n],
  [9223372036854775807n, 0n, 1977219185673256887n],
  [1n, 1n, -7620678293940249823n],
  [1n, -1n, 1505930170527472848n],
  [0n, -1n, -4140905993450701875n],
  [1n, 4294967296n, -4406712548492291368n],
  [1n, -4294967296n, 164885093495695894n],
  [42n, 2147483648n, 210153571592560266n],
  [42n, -2147483648n, 4991540070675451772n],
  [42n, 1000000000000000n, 822662880497670505n],
  [9007199254740993n, -9223372036854775808n, -1729722965085445357n],
  [9223372036854775807n, 9223372036854775807n, -6906076658251606270n],
  [1000000007n, -1234567890123456789n, 7160160628112098383n],
  [5000000000n, 1234567890123456789n, 8301831169680540528n],
  [4294967296n, 4294967295n, -4130251240530825711n],
  [4294967295n, 4294967296n, -8935529606657374257n],
  [1000000000000000000n, -1000000000000000000n, 5223355523359564252n],
];

const kernel = newKernel();
kernel.open(0, 0);
const memory = Buffer.from(kernel.memory.buffer);

/** Hashes bytes in the middle of other bytes, `before` bytes from their start. */
function hashOf(bytes: Uint8Array, before = 0): bigint {
  const at = kernel.input.value + before;
  memory.fill(0xaa, kernel.input.value, at);
  memory.set(bytes, at);
  memory.fill(0xbb, at + bytes.length, at + bytes.length + 8);
  return kernel.hashText(at, bytes.length);
}

function hashOfInteger(value: bigint, seed: bigint): bigint {
  return kernel.hashInt8(value, seed);
}

test('a text of any length hashes as in PostgreSQL', () => {
  const hashes = hashesByLength.map((_, length) => hashOf(Buffer.from(ALPHABET.slice(0, length))));
  expect(hashes).toEqual(hashesByLength);
});

test.each(hashesOfTexts)('the text %j hashes as in PostgreSQL', (text, hash) => {
  expect(hashOf(Buffer.from(text))).toBe(hash);
});

test.each(hashesOfIntegers)('the integer %s with seed %s hashes as in PostgreSQL', (value, seed, hash) => {
  expect(hashOfInteger(value, seed)).toBe(hash);
});

test('the oracle hashes as PostgreSQL does', () => {
  expect(hashesByLength.map((_, length) => hashBytes(Buffer.from(ALPHABET.slice(0, length))))).toEqual(hashesByLength);
  for (const [text, hash] of hashesOfTexts) expect(hashBytes(Buffer.from(text))).toBe(hash);
  for (const [value, seed, hash] of hashesOfIntegers) expect(hashInt8(value, seed)).toBe(hash);
});

test('any bytes, anywhere in a buffer, hash as by the oracle', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 256, size: 'max' }), fc.nat(20), (bytes, before) => {
      expect(hashOf(bytes, before)).toBe(hashBytes(bytes));
    }),
  );
});

test('any non-negative integer, with any seed, hashes as by the oracle', () => {
  const seeds = fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: -9n, max: 9n }));
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), seeds, (value, seed) => {
      expect(hashOfInteger(value, seed)).toBe(hashInt8(value, seed));
    }),
  );
});

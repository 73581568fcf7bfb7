/** A role with only the privileges that billing needs, as an operator creates it. */
import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import { type Stack, urlOf } from './stack.js';

export interface BillingRole {
  readonly name: string;
  /** The URL of the stack's database for this role. */
  readonly url: string;
}

/** Creates a role that may bill in a stack's database. It is dropped when the stack closes. */
export async function makeBillingRole(stack: Stack): Promise<BillingRole> {
  const name = `billing_${randomBytes(6).toString('hex')}`;
  await stack.pool.query(`
    create role ${name} login password 'x';
    grant usage on schema meterfold to ${name};
    grant select, insert, update, delete on all tables in schema meterfold to ${name};
    grant select on all tables in schema public to ${name};
    grant select on all sequences in schema public to ${name}`);
  stack.onClose(async () => {
    await stack.pool.query(`drop owned by ${name} cascade`);
    await stack.pool.query(`drop role ${name}`);
  });
  return { name, url: urlOf(inject('servers'), stack.databaseName, { name, password: 'x' }) };
}

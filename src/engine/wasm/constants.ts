/** The kernel's constants, which the build generates from src/billing/call.ts and src/engine/layout.ts. */
export * from '../../../dist/engine/constants';

/** Loaded into a worker by NODE_OPTIONS: the answer to the statement that stores a task's outcome is lost inside the process. */
import pg from 'pg';

const { query } = pg.Client.prototype;
pg.Client.prototype.query = function queryWithoutAnswer(statement, ...rest) {
  const answer = query.call(this, statement, ...rest);
  return statement?.text?.includes('update meterfold.tasks set outcome') ? new Promise(() => {}) : answer;
};

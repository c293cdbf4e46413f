/** The yardstick for uploads: a bare Node server that takes a request's body and hashes it, and does nothing else. Tells its parent the port. */
import { createHash } from 'node:crypto';
import { createServer } from 'node:http';

const server = createServer(async (req, res) => {
  const hash = createHash('sha256');
  for await (const chunk of req) hash.update(chunk);
  res.writeHead(201).end(hash.digest('hex'));
});
server.listen(0, '127.0.0.1', () => process.send(server.address().port));

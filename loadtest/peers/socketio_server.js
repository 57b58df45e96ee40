// A hub with Socket.IO, as its documentation says: node socketio_server.js PORT REDIS_PORT FOLDER_OF_node_modules
"use strict";

const { createRequire } = require("node:module");
const { createServer } = require("node:http");

const [port, redisPort, installed] = process.argv.slice(2);
const load = createRequire(`${installed}/`);

async function main() {
  const { Server } = load("socket.io");
  const server = createServer();
  const io = new Server(server, { transports: ["websocket"], serveClient: false, pingInterval: 300000 });
  if (Number(redisPort)) {
    const { createAdapter } = load("@socket.io/redis-adapter");
    const { createClient } = load("redis");
    const publisher = createClient({ url: `redis://127.0.0.1:${redisPort}` });
    const subscriber = publisher.duplicate();
    await Promise.all([publisher.connect(), subscriber.connect()]);
    io.adapter(createAdapter(publisher, subscriber));
  }
  io.on("connection", (socket) => {
    socket.on("join", (room, done) => {
      socket.join(room);
      done();
    });
    socket.on("say", (room, text) => io.to(room).emit("said", text));
  });
  server.listen(Number(port), "127.0.0.1");
}

main();

import type { AddressInfo } from "node:net";
import { connect, createServer, type Server, type Socket } from "node:net";

/** The network between browser and server, that can be cut: open connections end, new ones are refused. */
export class Cable {
  private readonly sockets = new Set<Socket>();
  private isCut = false;

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async to(port: number): Promise<Cable> {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, "localhost", done));
    const cable = new Cable(server, (server.address() as AddressInfo).port);
    server.on("connection", (near) => cable.join(near, port));
    return cable;
  }

  cut() {
    this.isCut = true;
    for (const s of this.sockets) s.destroy();
  }

  mend() {
    this.isCut = false;
  }

  close() {
    this.cut();
    this.server.close();
  }

  private join(near: Socket, port: number) {
    if (this.isCut) return void near.destroy();
    const far = connect(port, "localhost");
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        this.sockets.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  }
}

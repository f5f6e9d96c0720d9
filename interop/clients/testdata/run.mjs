// Asks for each line of standard input, and prints each verdict as a line.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [file, server, timeout] = process.argv.slice(2);
const { Misuse, Warder } = await import(pathToFileURL(file).href);
let warder;
try {
  warder = new Warder({ server, token: process.env.WARDER_TOKEN ?? "", timeout: Number(timeout) * 1000 });
} catch (error) {
  console.log(JSON.stringify({ refused: error.message }));
  process.exit(0);
}
for await (const line of createInterface({ input: process.stdin })) {
  try {
    console.log(JSON.stringify(await warder.verify(JSON.parse(line))));
  } catch (error) {
    if (!(error instanceof Misuse)) throw error;
    console.log(JSON.stringify({ misuse: error.fields.map((f) => [f.field, f.message]), text: error.message }));
  }
}

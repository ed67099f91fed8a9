// Reads [{"tables": {NAME: SCHEMA}, "query": KQL}, ...] on stdin; prints of each what Microsoft's parser has against
// the query, and the columns of its result. Its only word is the folder in which the parser was installed.
const { readFileSync } = require("fs");
const { resolve } = require("path");
const parser = resolve(process.argv[2], "node_modules", "@kusto", "language-service-next");
require(resolve(parser, "bridge.min.js"));
require(resolve(parser, "Kusto.Language.Bridge.min.js"));

const { KustoCode, GlobalState, Symbols } = Kusto.Language;

function check({ tables, query }) {
  const known = Object.entries(tables).map(([name, schema]) => new Symbols.TableSymbol.$ctor7(name, schema, null));
  const database = new Symbols.DatabaseSymbol.ctor("logs", known);
  const code = KustoCode.ParseAndAnalyze(query, GlobalState.Default.WithDatabase(database));
  const columns = code.ResultType && code.ResultType.Columns ? all(code.ResultType.Columns) : [];
  return {
    problems: all(code.GetDiagnostics()).map((each) => `${each.Start}: ${each.Message}`),
    columns: Object.fromEntries(columns.map((each) => [each.Name, each.Type.Name])),
  };
}

function all(list) {
  return Array.from({ length: list.Count }, (_, number) => list.getItem(number));
}

console.log(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(check)));

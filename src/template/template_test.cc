#include "template/template.h"

#include <gtest/gtest.h>

#include "base/core/error.h"
#include "base/json/json.h"

namespace berth::tmpl {
namespace {

constexpr std::string_view kData = R"({"Name":"/web","State":{"Running":true,"Pid":42,"Status":"running"},
  "Config":{"Env":["A=1","B=2"],"Labels":{"b":"2","a":"1"},"Cmd":null},"Size":1.5,"Empty":"","HostConfig":{"Binds":null}})";

std::string run(const std::string& source) {
  const boost::json::value data = json::parse(kData);
  try {
    return Template{source}.run(Value::borrow(data));
  } catch (const Error& error) {
    return "error: " + error.text();
  }
}

TEST(Template, TextAndFields) { EXPECT_EQ(run("name={{.Name}} pid={{.State.Pid}}"), "name=/web pid=42"); }

TEST(Template, ValuesPrintAsInGo) {
  EXPECT_EQ(run("{{.Config.Env}} {{.Config.Labels}} {{.State.Running}} {{.Size}}"), "[A=1 B=2] map[a:1 b:2] true 1.5");
  EXPECT_EQ(run("{{.HostConfig.Binds}}{{.State}}"), "[]{true 42 running}");
}

TEST(Template, JsonFunctionKeepsTheOrder) { EXPECT_EQ(run("{{json .Config.Labels}}"), R"({"b":"2","a":"1"})"); }

TEST(Template, RangeOverListsAndMaps) {
  EXPECT_EQ(run("{{range .Config.Env}}<{{.}}>{{end}}"), "<A=1><B=2>");
  EXPECT_EQ(run("{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}"), "a=1;b=2;");
  EXPECT_EQ(run("{{range $i, $e := .Config.Env}}{{$i}}{{$e}}{{if eq $i 0}}{{continue}}{{end}}!{{end}}"), "0A=11B=2!");
  EXPECT_EQ(run("{{range .HostConfig.Binds}}x{{else}}none{{end}}"), "none");
}

TEST(Template, Conditions) {
  EXPECT_EQ(run("{{if .Empty}}a{{else if .State.Running}}b{{else}}c{{end}}"), "b");
  EXPECT_EQ(run("{{with .State}}{{.Status}}{{end}}{{with .Empty}}x{{else}}y{{end}}"), "runningy");
  EXPECT_EQ(run("{{and .Name .Empty}}|{{or .Empty .Name}}|{{not .Empty}}"), "|/web|true");
}

TEST(Template, Comparisons) {
  EXPECT_EQ(run("{{eq .State.Pid 42}} {{eq .Name \"x\" \"/web\"}} {{lt 1 2}} {{ge 1 2}} {{ne \"a\" \"b\"}}"),
            "true true true false true");
}

TEST(Template, Variables) { EXPECT_EQ(run("{{$x := 1}}{{if true}}{{$x = 2}}{{end}}{{$x}}{{$.Name}}"), "2/web"); }

TEST(Template, PipelinesPassTheLastArgument) {
  EXPECT_EQ(run("{{.Name | printf \"%s-%d\" \"a\" | upper}}"), "A-%!D(STRING=/WEB)");
  EXPECT_EQ(run("{{.Name | upper}} {{(index .Config.Env 0) | lower}}"), "/WEB a=1");
}

TEST(Template, Printf) {
  EXPECT_EQ(run("{{printf \"%-6s|%4d|%04d|%q|%v|%.2f|%x|%%\" .Name 7 7 \"a\\\"b\" true 1.5 255}}"),
            "/web  |   7|0007|\"a\\\"b\"|true|1.50|ff|%");
  EXPECT_EQ(run("{{printf \"%d\"}}"), "%!d(MISSING)");
}

TEST(Template, StringFunctions) {
  EXPECT_EQ(run("{{join .Config.Env \",\"}} {{split \"a-b\" \"-\"}} {{title \"ab cd\"}} {{pad \"x\" 1 2}}| {{truncate "
                "\"abcd\" 2}}"),
            "A=1,B=2 [a b] Ab Cd  x  | ab");
  EXPECT_EQ(run("{{len .Config.Env}} {{index .Config.Labels \"a\"}} {{slice .Name 1 3}} {{println 1 \"a\"}}"),
            "2 1 we 1 a\n");
}

TEST(Template, TrimMarkersTakeWhiteSpaceAway) { EXPECT_EQ(run("a  {{- /* c */ -}}  b {{- 1 -}} c"), "ab1c"); }

TEST(Template, MembersThatTheDaemonLeavesOutAreGosZeroValues) {
  EXPECT_EQ(run("{{if .State.Health}}x{{else}}no health{{end}} {{.State.Health}}"), "no health <nil>");
  EXPECT_EQ(run("{{.Config.Labels.nope}}"), "<no value>");
}

TEST(Template, GoNamesFindJsonMembersOfOtherCase) { EXPECT_EQ(run("{{.NAME}}"), "/web"); }

TEST(Template, FailuresHaveGosWords) {
  EXPECT_EQ(run("{{.Foo}}"), "error: template: :1:2: executing \"\" at <.Foo>: map has no entry for key \"Foo\"");
  EXPECT_EQ(run("a\n{{.State.Foo}}"),
            "error: template: :2:8: executing \"\" at <.State.Foo>: map has no entry for key \"Foo\"");
  EXPECT_EQ(run("{{.Foo"), "error: template: :1: unclosed action");
  EXPECT_EQ(run("{{nofunc 1}}"), "error: template: :1: function \"nofunc\" not defined");
  EXPECT_EQ(run("{{if .Name}}"), "error: template: :1: unexpected EOF");
  EXPECT_EQ(run("{{$x}}"), "error: template: :1: undefined variable \"$x\"");
  EXPECT_EQ(
      run("{{index .Config.Env 9}}"),
      "error: template: :1:2: executing \"\" at <index .Config.Env 9>: error calling index: index out of range: 9");
}

TEST(Template, HostileSourcesAreErrorsNotCrashes) {
  for (const char* source : {"{{", "{{}}", "{{|}}", "{{(}}", "{{.}}{{end}}", "{{\"a}}", "{{range}}", "{{else}}",
                             "{{'\\'}}", "{{1.2.3}}", "{{$}}{{$a,}}", "{{.a.}}", "{{`", "{{/*", "{{break}}", "{{-}}"}) {
    run(source);
  }
}

}  // namespace
}  // namespace berth::tmpl

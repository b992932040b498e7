#include <gtest/gtest.h>

#include "base/core/error.h"
#include "base/json/json.h"
#include "cli/text/container_row.h"
#include "cli/text/image_row.h"
#include "cli/text/image_tree.h"
#include "cli/text/rows.h"
#include "cli/text/table.h"
#include "cli/text/units.h"

namespace berth::cli {
namespace {

TEST(AlignColumns, PadsToTenAndThree) {
  EXPECT_EQ(align_columns("ID\tNAME\nabcdefghijkl\tx\n"), "ID             NAME\nabcdefghijkl   x\n");
  EXPECT_EQ(align_columns("A\tB\nx\ty\n"), "A         B\nx         y\n");
}

TEST(AlignColumns, AColumnEndsWhereALineLacksIt) {
  EXPECT_EQ(align_columns("a\tb\nplain\nlonger than that\tc\n", {.min_width = 0, .padding = 1}),
            "a b\nplain\nlonger than that c\n");
}

TEST(AlignColumns, CountsCharactersNotBytes) {
  EXPECT_EQ(align_columns("\xE2\x80\xA6\tb\nxx\tc\n", {.min_width = 0, .padding = 1}), "\xE2\x80\xA6  b\nxx c\n");
}

TEST(Ellipsis, IsTheLastOfTheWidth) {
  EXPECT_EQ(ellipsis("short", 10), "short");
  EXPECT_EQ(ellipsis("0123456789", 5), "0123\xE2\x80\xA6");
}

TEST(HumanSize, PowersOfAThousand) {
  EXPECT_EQ(human_size(0), "0B");
  EXPECT_EQ(human_size(1'982'256, 3), "1.98MB");
  EXPECT_EQ(human_size(1'982'256, 4), "1.982MB");
  EXPECT_EQ(binary_size(25276502016.0), "23.54GiB");
}

TEST(HumanDuration, WordsOfGoUnits) {
  using namespace std::chrono_literals;
  EXPECT_EQ(human_duration(500ms), "Less than a second");
  EXPECT_EQ(human_duration(1s), "1 second");
  EXPECT_EQ(human_duration(59s), "59 seconds");
  EXPECT_EQ(human_duration(61s), "About a minute");
  EXPECT_EQ(human_duration(59min), "59 minutes");
  EXPECT_EQ(human_duration(80min), "About an hour");
  EXPECT_EQ(human_duration(47h), "47 hours");
  EXPECT_EQ(human_duration(72h), "3 days");
  EXPECT_EQ(human_duration(24h * 20), "2 weeks");
  EXPECT_EQ(human_duration(24h * 90), "3 months");
  EXPECT_EQ(human_duration(24h * 800), "2 years");
}

std::string size_error(std::string_view text) {
  try {
    parse_size(text);
  } catch (const Error& error) {
    return error.text();
  }
  return "";
}

TEST(ParseSize, UnitsArePowersOf1024) {
  EXPECT_EQ(parse_size("512"), 512);
  EXPECT_EQ(parse_size("64m"), 64 << 20);
  EXPECT_EQ(parse_size("1.5GB"), 3LL << 29);
  EXPECT_EQ(parse_size("2KiB"), 2048);
  EXPECT_EQ(size_error("x"), "invalid size: 'x'");
  EXPECT_EQ(size_error("1x"), "invalid suffix: 'x'");
  EXPECT_EQ(size_error(""), "invalid size: ''");
  EXPECT_EQ(size_error("-1"), "invalid size: '-1'");
  EXPECT_NE(size_error("99999999999999p"), "");
}

TEST(ParseDuration, GosForms) {
  EXPECT_EQ(parse_duration("1m30s"), 90'000'000'000);
  EXPECT_EQ(parse_duration("1.5h"), 5400'000'000'000);
  EXPECT_EQ(parse_duration("-2ms"), -2'000'000);
  EXPECT_THROW(parse_duration("5"), Error);
  EXPECT_THROW(parse_duration("5x"), Error);
  EXPECT_THROW(parse_duration(""), Error);
}

TEST(ParseNanoCpus, Fractions) {
  EXPECT_EQ(parse_nano_cpus("1.5"), 1'500'000'000);
  EXPECT_EQ(parse_nano_cpus("0.001"), 1'000'000);
  EXPECT_THROW(parse_nano_cpus("0.0000000001"), Error);
  EXPECT_THROW(parse_nano_cpus("x"), Error);
}

TEST(IndentJson, KeepsEverythingButTheSpace) {
  EXPECT_EQ(
      indent_json(R"([{"a":[],"b":{},"c":"x, {y","d":[1, 2]}])", "  "),
      "[\n  {\n    \"a\": [],\n    \"b\": {},\n    \"c\": \"x, {y\",\n    \"d\": [\n      1,\n      2\n    ]\n  }\n]");
  EXPECT_EQ(indent_json("[]", "  "), "[]");
}

ListFormat two_columns() {
  return {.type_name = "*x",
          .headings = {{"ID", "THE ID"}, {"Name", "NAME"}},
          .default_table = "table {{.ID}}\\t{{.Name}}"};
}

std::vector<Row> one_row() {
  std::vector<Row> rows;
  Row row{"*x"};
  row.set("ID", "1").set("Name", "<a>").set_labels({{"k.sub-key", "v"}});
  rows.push_back(std::move(row));
  return rows;
}

TEST(RenderRows, FormatsOfLists) {
  EXPECT_EQ(render_rows(two_columns(), "", one_row()), "THE ID    NAME\n1         <a>\n");
  EXPECT_EQ(render_rows(two_columns(), "{{.ID}}\\t{{.Name}}", one_row()), "1\t<a>\n");
  EXPECT_EQ(render_rows(two_columns(), "json", one_row()), R"({"ID":"1","Labels":"k.sub-key=v","Name":"\u003ca\u003e"})"
                                                           "\n");
  EXPECT_EQ(render_rows(two_columns(), "table {{.Label \"k.sub-key\"}}", one_row()), "sub key\nv\n");
  EXPECT_EQ(render_rows(two_columns(), "", {}), "THE ID    NAME\n");
}

TEST(RenderRows, UnknownFieldNamesTheType) {
  try {
    render_rows(two_columns(), "{{.Nope}}", one_row());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(
        error.text(),
        "template parsing error: template: :1:2: executing \"\" at <.Nope>: can't evaluate field Nope in type *x");
  }
}

std::string ports(std::string_view text) { return port_summary(json::parse(text).as_array()); }

TEST(PortSummary, DrawsNeighboursTogether) {
  EXPECT_EQ(ports(R"([{"PrivatePort":80,"Type":"tcp"}])"), "80/tcp");
  EXPECT_EQ(ports(R"([{"IP":"0.0.0.0","PrivatePort":80,"PublicPort":8080,"Type":"tcp"},
                      {"IP":"::","PrivatePort":80,"PublicPort":8080,"Type":"tcp"}])"),
            "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp");
  EXPECT_EQ(ports(R"([{"IP":"0.0.0.0","PrivatePort":81,"PublicPort":81,"Type":"tcp"},
                      {"IP":"0.0.0.0","PrivatePort":80,"PublicPort":80,"Type":"tcp"},
                      {"PrivatePort":53,"Type":"udp"}])"),
            "53/udp, 0.0.0.0:80-81->80-81/tcp");
}

TEST(ImageRows, OneForEachTag) {
  const Json image =
      json::parse(R"({"Id":"sha256:0123456789abcdef","RepoTags":["a:1","localhost:5000/b:2"],"Created":1,"Size":10})");
  const auto rows = image_rows(image, false, false);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(tmpl::print(*rows[1].member("Repository", {})), "localhost:5000/b");
  EXPECT_EQ(tmpl::print(*rows[1].member("ID", {})), "0123456789ab");
}

/// As docker 29.7 prints the same answer into a pipe.
TEST(ImageTree, AsDockerWritesIt) {
  const Json images = json::parse(R"([
    {"Id":"sha256:303030303030ff","RepoTags":[],"Size":12300000,"Containers":-1,"Manifests":[]},
    {"Id":"sha256:101010101010ff","RepoTags":["app:v1","app:latest"],"Size":30500000,"Containers":-1,"Manifests":[
      {"ID":"sha256:202020202020ff","Kind":"image","Size":{"Content":12600000,"Total":15200000},
       "ImageData":{"Platform":{"os":"linux","architecture":"amd64"},"Containers":["c"]}},
      {"ID":"sha256:212121212121ff","Kind":"attestation","Size":{"Content":600,"Total":600}},
      {"ID":"sha256:404040404040ff","Kind":"image","Size":{"Content":0,"Total":0},
       "ImageData":{"Platform":{"os":"linux","architecture":"arm","variant":"v7"},"Containers":[]}}]}])");
  const std::string named =
      "IMAGE                 ID             DISK USAGE   CONTENT SIZE   EXTRA\n"
      "app:latest         \n"
      "app:v1                101010101010       30.5MB         12.6MB   U    \n"
      "├─ linux/amd64        202020202020       15.2MB         12.6MB   U    \n"
      "└─ linux/arm/v7       404040404040           0B             0B        \n"
      "\n";
  EXPECT_EQ(image_tree(images, false), named);
  EXPECT_EQ(image_tree(images, true),
            cat(named, "<untagged>            303030303030       12.3MB             0B        \n\n"));
}

}  // namespace
}  // namespace berth::cli

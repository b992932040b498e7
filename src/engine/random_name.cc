#include "engine/random_name.h"

#include <sys/random.h>

#include <cstdint>
#include <iterator>
#include <string_view>

namespace berth::engine {
namespace {

constexpr std::string_view kMoods[] = {
    "able",   "agile",  "amber",  "ample",   "apt",    "brave",  "breezy", "bright",  "brisk",  "calm",
    "candid", "clear",  "clever", "cosy",    "crisp",  "daring", "deft",   "eager",   "early",  "earnest",
    "fair",   "fleet",  "fluent", "fond",    "frank",  "fresh",  "gentle", "glad",    "golden", "grand",
    "handy",  "hardy",  "hearty", "humble",  "jolly",  "keen",   "kind",   "lively",  "loyal",  "lucid",
    "mellow", "merry",  "mighty", "modest",  "neat",   "nimble", "noble",  "patient", "placid", "plucky",
    "proud",  "quick",  "quiet",  "rapid",   "ready",  "robust", "serene", "sharp",   "silent", "simple",
    "sober",  "solid",  "spry",   "stable",  "steady", "stout",  "sturdy", "sunny",   "supple", "swift",
    "tidy",   "trusty", "upbeat", "valiant", "vivid",  "warm",   "wise",   "witty",   "young",  "zesty"};

// Seafarers, and people whose work sails in every computer.
constexpr std::string_view kPeople[] = {
    "amundsen",   "anning",  "babbage",  "barents",  "beaufort", "bering",     "boole",   "brahe",        "cabot",
    "cook",       "curie",   "darwin",   "dijkstra", "drake",    "earhart",    "elcano",  "eratosthenes", "euler",
    "faraday",    "fermi",   "fourier",  "franklin", "fresnel",  "galileo",    "gauss",   "hamilton",     "harrison",
    "hawkins",    "henry",   "hertz",    "hopper",   "hudson",   "huygens",    "hypatia", "ibnmajid",     "jansz",
    "johnson",    "joule",   "kelvin",   "kepler",   "knuth",    "lamarr",     "laplace", "leibniz",      "lovelace",
    "magellan",   "marconi", "maury",    "maxwell",  "meitner",  "mercator",   "nansen",  "newton",       "noether",
    "pascal",     "ptolemy", "pytheas",  "ritchie",  "ross",     "shackleton", "shannon", "slocum",       "tasman",
    "tereshkova", "turing",  "vespucci", "volta",    "watt",     "wilkes",     "zheng"};

}  // namespace

std::string random_name() {
  std::uint32_t dice[2] = {};
  (void)::getrandom(dice, sizeof dice, 0);  // never fails for so few bytes; zeros would do too
  std::string name{kMoods[dice[0] % std::size(kMoods)]};
  name += '_';
  name += kPeople[dice[1] % std::size(kPeople)];
  return name;
}

}  // namespace berth::engine

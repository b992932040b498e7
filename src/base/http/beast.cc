// Beast, compiled once (BOOST_BEAST_SEPARATE_COMPILATION); the linker drops all but its parser.
#include <boost/beast/src.hpp>

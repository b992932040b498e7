# cmake --install, and a .deb by `cpack --config build/release/CPackConfig.cmake`.
include(GNUInstallDirs)

foreach(program berthd berth berth-shim berth-init berth-logger)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  endif()
endforeach()
# systemd looks into lib/systemd/system of /usr and of /usr/local.
set(BERTH_UNIT_DIR lib/systemd/system CACHE STRING "Where the systemd units go")
# The unit names the program's full path, and only the installation knows the prefix: `cmake --install --prefix`, or /usr
# in the package.
install(CODE "
  set(BERTH_BINDIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
  configure_file(\"${PROJECT_SOURCE_DIR}/packaging/berthd.service.in\" \"${PROJECT_BINARY_DIR}/packaging/berthd.service\" @ONLY)")
install(FILES ${PROJECT_BINARY_DIR}/packaging/berthd.service packaging/berthd.socket DESTINATION ${BERTH_UNIT_DIR})
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/berth)
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/berth RENAME copyright)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_NAME berth)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_VENDOR "The Berth authors")
set(CPACK_PACKAGE_CONTACT "The Berth authors <berth@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Container engine that speaks the Docker Engine API")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
# The programs are static. groupadd is called by postinst; `docker top` asks the host's ps.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "passwd, procps")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "mmdebstrap, busybox-static, ca-certificates, xz-utils")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "criu, nftables")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/postinst ${PROJECT_SOURCE_DIR}/packaging/prerm
    ${PROJECT_SOURCE_DIR}/packaging/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)

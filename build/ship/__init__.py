"""What users get.

freeze makes the program that needs no Python with sidecar.spec, which freezes entry.py; hooks/ is for PyInstaller,
entitlements.plist for macOS; bundle writes manifest, SBOM and licences; npm makes the npm packages.
"""

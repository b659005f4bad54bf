from gansample.start import main

main()

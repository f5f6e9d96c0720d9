package known

// builtIn are words that passwords of many people are made of: what keyboards,
// greetings and moods suggest, names, teams, places, and what is typed where a
// password has to be changed. "warder" is this program.
const builtIn = `
warder
password passwort passwd pass passphrase passwordpassword secret secrets topsecret geheim motdepasse contrasena senha parola wachtwoord haslo lozinka salasana
admin administrator administrador root toor superuser superadmin sysadmin user username login logon guest test tester testing testuser demo default operator
owner manager master service support backup system server database postgres oracle mysql redis docker kubernetes jenkins gitlab github ubuntu debian linux windows
welcome welcomeback willkommen bienvenue bienvenido benvenuto hello helloworld hallo bonjour hola goodmorning goodnight
changeme changethis changeit pleasechangeme changemenow changemeplease temporary temppassword newpassword mypassword thepassword yourpassword nopassword
letmein letmeinnow letmeinplease openup opensesame enter access accessgranted
qwerty qwertyui qwertyuio qwertyuiop qwertz qwertzuiop qwertzuiopu azerty azertyuiop asdf asdfgh asdfghjk asdfghjkl asdfasdf zxcv zxcvbn zxcvbnm qazwsx qazwsxedc
qweasd qweasdzxc qwaszx wsxedc edcrfv poiuyt lkjhgfdsa mnbvcxz qwer qweqwe asdasd zaqxsw zaqwsx qqqwww
abc abcd abcde abcdef abcdefg abcdefgh abcdefghi abcdefghij abcdefghijk abcdefghijkl abcabc aaa aaaa aaaaaa xxx xxxxxx
iloveyou iloveu iloveme iloveyousomuch loveyou lovely lover love loveme lovers forever always foreveryoung beautiful princess angel angels baby babygirl babyboy
sweetheart sweetie honey sugar darling sunshine sunflower moonlight rainbow butterfly flower flowers rose lily daisy summer winter spring autumn
january february march april june july august september october november december monday tuesday wednesday thursday friday saturday sunday
dragon dragonfly monkey tiger lion panther eagle falcon phoenix shadow ninja wolf bear panda dolphin turtle rabbit kitten kitty cat dog puppy horse unicorn
football fussball futbol soccer baseball basketball hockey volleyball tennis golf liverpool arsenal chelsea barcelona realmadrid manchester manchesterunited juventus
yankees lakers cowboys steelers patriots eagles redsox michael michelle jordan jordanjordan kobe ronaldo messi beckham
batman superman spiderman ironman wonderwoman starwars startrek skywalker gandalf pokemon pikachu minecraft fortnite mario zelda naruto hannahmontana harrypotter
matrix trustno trustnoone trustnobody trustme believe faith hope jesus jesuschrist godisgood jesuslovesme blessed heaven hallelujah
computer internet laptop keyboard google facebook twitter instagram linkedin youtube yahoo amazon apple microsoft samsung nokia android iphone playstation nintendo xbox
whatever nothing something anything everything nobody somebody freedom liberty peace happy happiness lucky luckyone smile music guitar piano rocknroll metallica nirvana
killer hunter ranger soldier warrior knight wizard magic mustang ferrari porsche mercedes harley corvette camaro toyota honda
chocolate cookie cookies banana orange cheese pepper ginger coffee pizza burger strawberry cherry vanilla
london paris berlin madrid roma newyork chicago texas dallas boston california florida america england germany france italy spain russia china india brasil mexico canada australia
alexander alexandra andrea andrew anthony ashley austin benjamin brandon charlie charlotte chris christian christopher daniel daniela david elizabeth emily emma eric
george hannah heather jack james jasmine jason jennifer jessica john johnny jonathan joseph joshua julia justin karina katherine kevin laura lauren maria marina martin
matthew melissa mike natalie nathan nicholas nicole oliver oscar patrick peter rachel rebecca richard robert samantha samuel sandra sarah sebastian sophie stefan stephanie
steven thomas tiffany victoria vincent william zachary
correcthorsebatterystaple thisisapassword thisismypassword mysecretpassword ihatepasswords ihatethis fuckyou fuckoff asshole bullshit
company business office work workwork money moneymoney dollar bitcoin crypto corporate enterprise production staging development developer engineer
one two three onetwothree onetwothreefour
`
